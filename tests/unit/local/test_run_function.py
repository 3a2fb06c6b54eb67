"""The function starts as in production, on a port that is ours, with one cluster in its environment."""

import socket
from pathlib import Path

import pytest

from core.local.cluster import Cluster
from core.local.run.function import choose_port, function_command, function_environment
from core.local.shell import CommandError
from core.settings import Settings

EMBEDDED = Cluster(server="http://127.0.0.1:1", kubeconfig="/tmp/k", embedded=True)
NAMED = Cluster(server="https://c", kubeconfig="/home/me/.kube/config")


def test_command_is_the_one_of_production() -> None:
    framework, *arguments = function_command(8081)
    assert Path(framework).name == "functions-framework"
    assert Path(framework).is_file()
    source = Path(arguments.pop(arguments.index("--source") + 1))
    assert source.parts[-2:] == ("functions", "alertmanager.py")
    assert source.is_file()
    expected = "--asgi --source --target alertmanager --host 127.0.0.1 --port 8081"
    assert arguments == expected.split()


def test_environment_points_to_the_embedded_api_and_nothing_outranks_it() -> None:
    ours = {"PATH": "/bin", "SLUICE_API_SERVER": "https://gke", "SLUICE_API_CA": "x", "SLUICE_AUTH": "kubernetes"}
    environment = function_environment(EMBEDDED, Settings(namespace="ns"), environ=ours)
    assert environment == {
        "PATH": "/bin",
        "KUBECONFIG": "/tmp/k",
        "SLUICE_AUTH": "none",
        "SLUICE_NAMESPACE": "ns",
    }


def test_environment_keeps_what_names_a_cluster() -> None:
    ours = {"SLUICE_API_SERVER": "https://gke", "SLUICE_API_CA": "x", "KUBECONFIG": NAMED.kubeconfig}
    assert ours.items() <= function_environment(NAMED, Settings(namespace="ns"), environ=ours).items()


def test_no_kubeconfig_is_made_up_for_google_s_credentials() -> None:
    google = Cluster(server="https://gke", kubeconfig="")
    environment = function_environment(google, Settings(namespace="ns"), environ={"SLUICE_API_SERVER": "https://gke"})
    assert "KUBECONFIG" not in environment


def test_debug_meant_for_other_tools_does_not_reach_the_framework() -> None:
    assert "DEBUG" not in function_environment(EMBEDDED, Settings(), environ={"DEBUG": "express:*"})


def test_free_port_is_found_for_0() -> None:
    assert 1024 <= choose_port(0) <= 65_535


def test_free_port_is_taken_as_asked() -> None:
    port = choose_port(0)
    assert choose_port(port) == port


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_taken_port_is_told_with_a_remedy(host: str) -> None:
    with socket.create_server((host, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"port {port} of 127.0.0.1 is taken .*make run PORT=\d+"):
            choose_port(port)


def test_port_for_root_only_is_told_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(CommandError, match="port 80 is for root only; choose another: make run PORT=8080"):
        choose_port(80)


def test_remedy_for_the_last_port_is_a_port_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(CommandError, match="make run PORT=8080"):
        choose_port(65_535)

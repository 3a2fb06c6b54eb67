"""A test may stop, kill, pause and restart its server; nothing of it is left afterwards."""

import os
from collections.abc import Iterator

import pytest

from tests.apiserver import Binaries, KubeApiserver, ServerError

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def module_server(kube_apiserver_binaries: Binaries) -> Iterator[KubeApiserver]:
    with KubeApiserver(binaries=kube_apiserver_binaries) as server:
        yield server


@pytest.fixture
def victim(module_server: KubeApiserver) -> KubeApiserver:
    """Running, whatever the test before did to it."""
    if module_server.pid is None:
        module_server.start()
    return module_server


def test_nothing_is_left_after_the_block(kube_apiserver_binaries: Binaries) -> None:
    with KubeApiserver(binaries=kube_apiserver_binaries) as server:
        pid, folder = server.pid, server.folder
        assert pid is not None
        assert _group_exists(pid)
        assert folder.exists()
    assert not _group_exists(pid)
    assert not folder.exists()


def test_data_port_and_token_outlive_a_kill(victim: KubeApiserver) -> None:
    server = victim
    assert server.request("POST", CONFIG_MAPS, {"metadata": {"name": "kept"}}).status == 201
    url, token, certificate = server.url, server.token, server.ca_file.read_bytes()

    server.kill()
    assert server.pid is None
    with pytest.raises(ConnectionRefusedError):
        server.request("GET", "/readyz")
    server.start()

    assert server.request("GET", f"{CONFIG_MAPS}/kept").status == 200
    assert (server.url, server.token, server.ca_file.read_bytes()) == (url, token, certificate)


def test_user_added_while_stopped_is_known_after_the_restart(victim: KubeApiserver) -> None:
    server = victim
    with pytest.raises(ServerError, match="add tokens before it starts"):
        server.add_token("late")
    server.stop()
    assert server.pid is None
    token = server.add_token("late", groups=["system:masters"])
    server.start()
    assert server.request("GET", "/api/v1/pods", token=token).status == 200


def test_paused_server_answers_nothing_until_it_is_resumed(victim: KubeApiserver) -> None:
    victim.pause()
    with pytest.raises(TimeoutError):
        victim.request("GET", "/readyz", timeout=0.2)
    victim.resume()
    assert victim.request("GET", "/readyz").status == 200


def test_paused_server_is_stopped_all_the_same(victim: KubeApiserver) -> None:
    pid = victim.pid
    assert pid is not None
    victim.pause()
    victim.stop()
    assert not _group_exists(pid)


def test_server_that_ends_by_itself_is_reported_with_its_log(kube_apiserver_binaries: Binaries) -> None:
    server = KubeApiserver(binaries=kube_apiserver_binaries, flags=["--watch-cache=perhaps"])
    with pytest.raises(ServerError, match=r'ended by itself(.|\n)*invalid argument "perhaps"'), server:
        pytest.fail("a server with a wrong flag came up")
    assert not server.folder.exists()


def test_appended_flag_reaches_the_server(kube_apiserver_binaries: Binaries) -> None:
    with KubeApiserver(binaries=kube_apiserver_binaries, flags=["--runtime-config=batch/v1=false"]) as server:
        assert server.request("GET", "/apis/batch/v1").status == 404
        assert server.request("GET", "/apis/apps/v1").status == 200


def test_two_servers_run_side_by_side(kube_apiserver: KubeApiserver, victim: KubeApiserver) -> None:
    assert kube_apiserver.port != victim.port
    assert victim.request("GET", "/api/v1/nodes").status == 200
    assert victim.request("GET", "/api/v1/nodes", token=kube_apiserver.token).status == 401


def _group_exists(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True

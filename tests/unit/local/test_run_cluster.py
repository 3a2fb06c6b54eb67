"""Without KUBECONFIG the embedded API; with it that cluster, and never anything in between."""

import json
import os
from pathlib import Path

import pytest

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.errors import ConfigurationError
from core.kube import access
from core.kube.resources import KINDS, remediation_requests
from core.kube.transport import StaticToken
from core.local.cluster import (
    embedded_cluster,
    is_named,
    named_cluster,
    open_client,
    use_default_kubeconfig,
    write_kubeconfig,
)
from core.local.shell import CommandError
from core.settings import Settings

CLOCK = RealClock()
SETTINGS = Settings(namespace="ns")


def permissions(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("kubeconfig", "api_server", "expected"), [("", "", False), ("/k", "", True), ("", "https://gke", True)]
)
def test_environment_names_a_cluster_or_not(kubeconfig: str, api_server: str, expected: bool) -> None:
    assert is_named(Settings(api_server=api_server), kubeconfig=kubeconfig) is expected


@pytest.mark.parametrize("group", ["remediation.kubernaut.ai", "kubernaut.ai"])
async def test_embedded_cluster_serves_the_namespace_and_the_kind_of_the_settings(
    group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(namespace="ns", group=group)
    async with embedded_cluster(settings) as cluster:
        assert cluster.embedded
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        async with open_client(settings, clock=CLOCK) as client:
            deadline = Deadline(clock=CLOCK, seconds=600)
            await client.get(KINDS["Namespace"], name="ns", deadline=deadline)
            kind = remediation_requests(group=group, version="v1alpha1")
            assert (await client.list(kind, namespace="ns", query={}, deadline=deadline)).items == []


async def test_embedded_cluster_leaves_no_file_behind() -> None:
    async with embedded_cluster(SETTINGS) as cluster:
        kubeconfig = Path(cluster.kubeconfig)
        assert permissions(kubeconfig) == 0o600
        assert permissions(kubeconfig.parent) == 0o700
    with pytest.raises(FileNotFoundError):
        permissions(kubeconfig.parent)


async def test_embedded_cluster_takes_the_port_it_is_given() -> None:
    async with embedded_cluster(SETTINGS) as first:
        port = int(first.server.rpartition(":")[2])
        with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with embedded_cluster(SETTINGS, port=port):
                pass


async def test_embedded_cluster_does_not_start_in_a_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", "sluice")
    with pytest.raises(CommandError, match="K_SERVICE"):
        async with embedded_cluster(SETTINGS):
            pass


async def test_named_cluster_tells_server_and_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(write_kubeconfig(tmp_path / "k", server="http://127.0.0.1:6443", namespace="ns"))
    monkeypatch.setenv("KUBECONFIG", path)
    cluster = await named_cluster(SETTINGS, kubeconfig=path, clock=CLOCK)
    assert (cluster.server, cluster.context, cluster.kubeconfig) == ("http://127.0.0.1:6443", "sluice-embedded", path)
    assert not cluster.embedded


async def test_first_context_of_several_files_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "bare"
    bare.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "clusters": [], "contexts": [], "users": []}))
    full = write_kubeconfig(tmp_path / "full", server="http://127.0.0.1:6443", namespace="ns")
    kubeconfig = f"{tmp_path / 'missing'}:{bare}:{full}"
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    cluster = await named_cluster(SETTINGS, kubeconfig=kubeconfig, clock=CLOCK)
    assert cluster.context == "sluice-embedded"


async def test_kubeconfig_that_is_no_file_is_told_and_nothing_else_is_used(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"KUBECONFIG=\S+/missing names no file; correct it, or run on the embedded"):
        await named_cluster(SETTINGS, kubeconfig=str(tmp_path / "missing"), clock=CLOCK)


async def test_cluster_that_nothing_names_is_told() -> None:
    with pytest.raises(CommandError, match="no cluster is named: set KUBECONFIG"):
        await named_cluster(SETTINGS, kubeconfig="", clock=CLOCK)


def test_kubectl_s_default_file_is_ours_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", "")
    use_default_kubeconfig()
    assert os.environ["KUBECONFIG"] == ""
    (tmp_path / ".kube").mkdir()
    default = write_kubeconfig(tmp_path / ".kube" / "config", server="https://c", namespace="ns")
    use_default_kubeconfig()
    assert os.environ["KUBECONFIG"] == str(default)
    monkeypatch.setenv("KUBECONFIG", "/mine")
    use_default_kubeconfig()
    assert os.environ["KUBECONFIG"] == "/mine"


async def test_kubeconfig_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k"
    path.write_text("{}")
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(ConfigurationError, match="KUBECONFIG="):
        await named_cluster(SETTINGS, kubeconfig=str(path), clock=CLOCK)


async def test_google_endpoint_outranks_kubeconfig_and_has_no_context(monkeypatch: pytest.MonkeyPatch) -> None:
    def google(*_: object) -> access.Access:
        return access.Access("https://gke", None, StaticToken())

    monkeypatch.setattr(access, "_google", google)
    settings = Settings(api_server="https://gke")
    cluster = await named_cluster(settings, kubeconfig="/no/such/file", clock=CLOCK)
    assert (cluster.server, cluster.context) == ("https://gke", "")

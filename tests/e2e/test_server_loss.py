"""kube-apiserver and etcd die in the middle of a storm, or their disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.apiserver import KubeApiserver
from tests.e2e.counting import stored
from tests.e2e.etcd import no_space
from tests.e2e.function import FunctionProcess, alert
from tests.e2e.storm import Storm
from tests.support.cluster import Cluster
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.apiserver import Binaries
    from tests.e2e.conftest import StartFunction

RECOVERS_WITHIN = 60.0  # seconds; the circuit breaker may stay open for 30 of them


@pytest.fixture
def cluster(breakable_apiserver: KubeApiserver) -> Cluster:
    return Cluster(breakable_apiserver)


def test_server_killed_in_a_storm_loses_no_acknowledged_alert(
    breakable_apiserver: KubeApiserver, tmp_path: Path
) -> None:
    def write(_number, path, token, namespace):
        return breakable_apiserver.write_kubeconfig(path, token=token, namespace=namespace)

    with Storm(breakable_apiserver, tmp_path, kubeconfig=write) as storm:
        before = storm.fire("before")
        storm.wait_for_deliveries(before, 3)

        breakable_apiserver.kill()
        meanwhile = storm.fire("meanwhile")
        storm.wait_for_deliveries(meanwhile, 3)
        breakable_apiserver.start()

        storm.wait_until_stored(before + meanwhile)
        storm.check(before + meanwhile, answers_lost=True)


def test_full_disk_of_etcd_is_answered_503_until_there_is_space(
    start_function: StartFunction, cluster: Cluster
) -> None:
    function = start_function(ready=True)
    assert function.post(alert("web-1")).status == 201

    with no_space(cluster.server):
        answers = [function.post(alert("web-1")), function.post(alert("web-2"))]

    assert [answer.status for answer in answers] == [503, 503]
    assert "database space exceeded" in answers[0].json["detail"]
    _check_recovery(function, cluster)


@pytest.fixture
def server_on_a_small_disk(kube_apiserver_binaries: Binaries) -> Iterator[tuple[KubeApiserver, Path]]:
    """One whose etcd has a file system of its own: two segments of its log, the database, and little more."""
    server = KubeApiserver(binaries=kube_apiserver_binaries)
    disk = server.folder / "etcd"
    disk.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=0700", "tmpfs", str(disk)], check=True)
    try:
        with server:
            yield server, disk
            server.kill()
            subprocess.run(["umount", str(disk)], check=True)
    except BaseException:
        server.kill()
        subprocess.run(["umount", "--lazy", str(disk)], check=False)
        raise


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount a small file system")
def test_etcd_that_died_of_a_full_disk_has_all_that_was_acknowledged(
    server_on_a_small_disk: tuple[KubeApiserver, Path], tmp_path: Path
) -> None:
    server, disk = server_on_a_small_disk
    cluster = Cluster(server)
    config = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    environment = {"KUBECONFIG": str(config), "SLUICE_NAMESPACE": cluster.namespace, "SLUICE_AUTH": "none"}
    with FunctionProcess(folder=tmp_path, environment=environment) as function:
        function.wait_until_ready()
        assert function.post(alert("web-1")).status == 201

        ballast = disk / "ballast"
        _fill(ballast)
        _write_until_it_dies(cluster)
        assert {function.post(alert("web-1")).status, function.post(alert("web-2")).status} == {503}
        ballast.unlink()
        server.stop()
        server.start()

        _check_recovery(function, cluster)


def _check_recovery(function: FunctionProcess, cluster: Cluster) -> None:
    """The first alert was acknowledged once, and so was each of both since."""
    for pod, status in (("web-1", 202), ("web-2", 201)):
        wait_for(
            lambda pod=pod, status=status: function.post(alert(pod)).status == status,  # type: ignore[misc]
            what=f"{pod} to be stored",
            within=RECOVERS_WITHIN,
        )
    active, counted = stored(cluster)
    assert len(active) == 2
    assert sorted(counted.values()) == [1, 2]


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 20))


def _write_until_it_dies(cluster: Cluster) -> None:
    """Make the database grow, beyond what its file has room for."""
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"

    def has_ended() -> bool:
        with suppress(OSError):
            cluster.server.request("POST", path, {"metadata": {"generateName": "big-"}, "data": {"x": "x" * 900_000}})
        return cluster.server.pid is None

    wait_for(has_ended, what="etcd to end", within=60)

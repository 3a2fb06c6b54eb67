"""Worker processes: each makes its connections after the fork, keeps them between requests, closes them at the end."""

from __future__ import annotations

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.function import alert, webhook
from tests.support.sockets import connections
from tests.support.waiting import HANGS_AFTER, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import StartFunction
    from tests.e2e.function import FunctionProcess
    from tests.support.cluster import Cluster

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who holds which socket is in Linux's /proc")

IN_FLIGHT = 8


def test_no_connection_is_opened_before_the_first_request(start_function: StartFunction, cluster: Cluster) -> None:
    function = start_function(WORKERS="3", ready=False)

    assert [_connections(cluster, pid) for pid in (function.pid, *function.workers(3))] == [set()] * 4

    function.wait_until_ready()
    assert any(_connections(cluster, pid) for pid in function.workers(3))


def test_each_worker_opens_connections_of_its_own(start_function: StartFunction, cluster: Cluster) -> None:
    function = start_function(WORKERS="3")

    _wake_workers(function, cluster, count=3)

    held = [_connections(cluster, pid) for pid in function.workers(3)]
    assert len(set().union(*held)) == sum(map(len, held)), "two workers share a connection"
    assert not _connections(cluster, function.pid), "the master made a client, and forked it"


def test_connections_are_kept_between_requests(start_function: StartFunction, cluster: Cluster) -> None:
    function = start_function()
    (worker,) = function.workers()
    assert function.post(alert("web-1")).status == 201
    first = _connections(cluster, worker)

    for _ in range(50):
        assert function.post(alert("web-1")).status == 202

    assert first
    assert _connections(cluster, worker) <= first


def test_burst_opens_no_more_connections_than_are_allowed(start_function: StartFunction, cluster: Cluster) -> None:
    function = start_function(SLUICE_MAX_CONCURRENT="4")
    (worker,) = function.workers()

    answer = function.post(*(alert(f"web-{number}") for number in range(40)))

    assert answer.json["summary"]["created"] == 40, answer.body
    assert 1 <= len(_connections(cluster, worker)) <= 4


def test_sigterm_closes_connections_and_ends_with_zero(start_function: StartFunction, cluster: Cluster) -> None:
    function = start_function(WORKERS="2")
    _wake_workers(function, cluster, count=2)

    assert function.stop() == 0

    # A worker that a signal ended has not closed its loop, and so nothing in it.
    assert function.log.count("Worker exiting") == 2, function.log
    assert "was sent SIG" not in function.log


def test_request_in_flight_at_sigterm_is_answered(start_function: StartFunction, cluster: Cluster) -> None:
    function = start_function()
    body = json.dumps(webhook(alert("web-1"))).encode()
    head = f"POST / HTTP/1.1\r\nHost: sluice\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    address = urlsplit(function.url)
    with closing(socket.create_connection((address.hostname, address.port), timeout=HANGS_AFTER)) as sender:
        sender.sendall(head.encode() + b"\r\n\r\n" + body[:10])
        function.terminate()
        wait_for(lambda: not _accepts(function), what="the function to stop listening", within=10)

        sender.sendall(body[10:])

        assert sender.makefile("rb").readline().startswith(b"HTTP/1.1 201 ")
    assert function.exit_code() == 0
    assert len(cluster.rrs()) == 1
    assert cluster.held_leases() == []


def test_metrics_are_the_sum_of_all_workers(start_function: StartFunction, cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    function = start_function(WORKERS="3", PROMETHEUS_MULTIPROC_DIR=str(folder))

    sent = _wake_workers(function, cluster, count=3)

    scraped = function.get("/metrics")
    assert scraped.headers["content-type"].startswith("text/plain")
    samples = [sample for family in text_string_to_metric_families(scraped.body.decode()) for sample in family.samples]
    assert sum(each.value for each in samples if each.name == "gateway_signals_received_total") == sent
    assert sum(each.value for each in samples if each.name == "gateway_crds_created_total") == IN_FLIGHT
    assert {each.value for each in samples if each.name == "gateway_circuit_breaker_state"} == {0}
    assert function.stop() == 0


def _connections(cluster: Cluster, pid: int) -> set[str]:
    return connections(pid, to_port=cluster.server.port)


def _wake_workers(function: FunctionProcess, cluster: Cluster, *, count: int) -> int:
    """Send alerts, several at once, until each worker has served some; return how many were sent."""
    workers = function.workers(count)
    rounds = 0

    def all_have_served() -> bool:
        nonlocal rounds
        rounds += 1
        _post_at_once(function)
        return all(_connections(cluster, pid) for pid in workers)

    wait_for(all_have_served, what="all workers to serve", within=10)
    return rounds * IN_FLIGHT


def _post_at_once(function: FunctionProcess) -> None:
    with ThreadPoolExecutor(IN_FLIGHT) as senders:
        answers = list(senders.map(lambda number: function.post(alert(f"web-{number}")), range(IN_FLIGHT)))
    assert {answer.status for answer in answers} <= {201, 202}


def _accepts(function: FunctionProcess) -> bool:
    address = urlsplit(function.url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True

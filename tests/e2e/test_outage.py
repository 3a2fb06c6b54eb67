"""What the function does while the API server does not answer, and afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.function import alert
from tests.support.cluster import Cluster
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.apiserver import KubeApiserver
    from tests.e2e.conftest import StartFunction


@pytest.fixture
def cluster(breakable_apiserver: KubeApiserver) -> Cluster:
    return Cluster(breakable_apiserver)


def test_paused_api_server_is_given_up_before_the_sender_gives_up(
    start_function: StartFunction, cluster: Cluster
) -> None:
    function = start_function(SLUICE_API_TIMEOUT="0.3", SLUICE_REQUEST_DEADLINE="1")
    cluster.server.pause()
    try:
        answer = function.post(alert("web-1"))
    finally:
        cluster.server.resume()

    assert answer.status == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert "no answer in 0.3 s" in answer.json["detail"]
    wait_for(lambda: function.post(alert("web-1")).status in (201, 202), what="the alert to be stored", within=10)
    assert len(cluster.rrs()) == 1


def test_function_outlives_its_api_server(start_function: StartFunction, cluster: Cluster) -> None:
    before = start_function()
    assert before.post(alert("web-1")).status == 201
    cluster.server.stop()
    meanwhile = start_function(ready=False)
    assert meanwhile.get("/readyz").status == 503

    cluster.server.start()

    for function in (before, meanwhile):  # one with connections that were cut, one that never had any
        function.wait_until_ready()
        assert function.post(alert("web-1")).status == 202

"""Alerts come from two Alertmanagers through three functions while the way to the API server is broken."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal

from tests.e2e.storm import FUNCTIONS, Storm
from tests.soak.api_faults import FaultSource
from tests.support.api_proxy import ApiProxy, open_api_proxy
from tests.toxiproxy import Link, Toxiproxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.apiserver import KubeApiserver


@dataclass(frozen=True)
class Toxic:
    """One kind of fault; `cuts`: answers get lost, so a stored count may be counted again."""

    name: str
    share: float = 1.0
    stream: str = "downstream"
    cuts: bool = False
    attributes: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}-{self.stream}".replace("_", "-")  # part of a pod's name too


# The shares leave the circuit breaker closed most of the time: it is the protocol that is to be seen at work.
TOXICS = [
    Toxic("latency", attributes={"latency": 200, "jitter": 200}),
    Toxic("bandwidth", attributes={"rate": 30}),
    Toxic("slicer", attributes={"average_size": 100, "size_variation": 50, "delay": 2000}),
    Toxic("slicer", stream="upstream", attributes={"average_size": 100, "size_variation": 50, "delay": 2000}),
    Toxic("reset_peer", share=0.4, cuts=True, attributes={"timeout": 50}),
    Toxic("reset_peer", stream="upstream", share=0.4, cuts=True, attributes={"timeout": 50}),
    Toxic("limit_data", share=0.6, cuts=True, attributes={"bytes": 8000}),
    Toxic("timeout", share=0.3, cuts=True, attributes={"timeout": 0}),
    Toxic("timeout", stream="upstream", share=0.3, cuts=True, attributes={"timeout": 0}),
]
UNDER_FAULT = 6  # deliveries


@pytest.fixture(scope="module")
def links(kube_apiserver: KubeApiserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Link]]:
    """A way to the API server for each function, TLS inside."""
    with Toxiproxy(tmp_path_factory.mktemp("toxiproxy")) as toxiproxy:
        yield [toxiproxy.link(f"function-{number}", to_port=kube_apiserver.port) for number in range(FUNCTIONS)]


@pytest.fixture(scope="module")
def storm(
    kube_apiserver: KubeApiserver, links: list[Link], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Storm]:
    def write(number, path, token, namespace):
        return kube_apiserver.write_kubeconfig(path, token=token, namespace=namespace, port=links[number].port)

    with Storm(kube_apiserver, tmp_path_factory.mktemp("storm"), kubeconfig=write) as storm:
        yield storm


@pytest.mark.parametrize("toxic", TOXICS, ids=str)
def test_broken_connections_cost_no_alert_and_make_no_second_rr(storm: Storm, links: list[Link], toxic: Toxic) -> None:
    for link in links:
        link.add(toxic.name, share=toxic.share, stream=toxic.stream, **toxic.attributes)
    alerts = storm.fire(str(toxic))
    storm.wait_for_deliveries(alerts, UNDER_FAULT)

    for link in links:
        link.mend()

    storm.wait_until_stored(alerts)
    storm.calm(alerts)
    storm.check(alerts, answers_lost=toxic.cuts)


def test_instance_that_is_cut_off_leaves_the_work_to_the_others(storm: Storm, links: list[Link]) -> None:
    links[0].cut()
    alerts = storm.fire("cut-off")

    storm.wait_until_stored(alerts)

    links[0].mend()
    storm.calm(alerts)
    storm.check(alerts, answers_lost=True)


@pytest.fixture
def proxy(kube_apiserver: KubeApiserver) -> Iterator[ApiProxy]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_api_proxy(kube_apiserver)) as proxy:
        yield proxy


def test_failing_calls_cost_no_alert_and_make_no_second_rr(
    kube_apiserver: KubeApiserver, proxy: ApiProxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    faults = FaultSource(random.Random(5), share=0.2)

    def write(_number, path, token, namespace):
        return proxy.write_kubeconfig(path, token=token, namespace=namespace)

    with Storm(kube_apiserver, tmp_path_factory.mktemp("storm"), kubeconfig=write) as storm:
        proxy.faults.draw = faults
        alerts = storm.fire("failing-calls")
        storm.wait_for_deliveries(alerts, 4 * UNDER_FAULT)
        faults.stop()

        storm.wait_until_stored(alerts)
        storm.calm(alerts)
        storm.check(alerts, answers_lost=True)
    assert faults.injected.keys() == faults.kinds, "one kind of fault was never drawn"

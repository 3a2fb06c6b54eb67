"""From zero, for real: Knative's own control plane starts and ends the functions, and no alert is lost on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.cluster.alertmanager import failed_notifications, post_alerts, start_alertmanager
from tests.cluster.burst import Burst, Outcome
from tests.cluster.fixtures import RESTS_WITHIN
from tests.cluster.product import (
    ALERTMANAGER,
    KUBERNETES_EVENT,
    NAMESPACE,
    is_ready,
    occurrences,
    pods_of,
    remediation_requests,
)
from tests.cluster.workloads import create_workloads
from tests.support.waiting import eventually, wait_for

if TYPE_CHECKING:
    from tests.cluster.machine import Machine


@pytest.fixture
def token(machine: Machine) -> str:
    return machine.token(namespace="monitoring", account="alertmanager")


def prepare(machine: Machine, burst: Burst) -> Burst:
    create_workloads(machine, namespace=burst.namespace, number=burst.problems)
    return burst


def running(machine: Machine, namespace: str, prefix: str) -> tuple[str, str]:
    """Namespace and name of the first pod that is ready and whose name begins so."""
    pods = machine.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    names = [each["metadata"]["name"] for each in pods if is_ready(each)]
    return namespace, next(each for each in names if each.startswith(prefix))


def assert_nothing_is_lost(machine: Machine, burst: Burst, *outcomes: Outcome) -> None:
    """Each problem has one RR; every webhook taken is counted once, and one that failed once at most."""
    taken = sum(len(each.latencies) for each in outcomes)
    failed = sum(sum(each.codes.values()) for each in outcomes) - taken
    assert [each.not_taken for each in outcomes] == [0] * len(outcomes), [each.codes for each in outcomes]
    rrs = remediation_requests(machine, namespace=burst.namespace)
    targets = [rr["spec"]["targetResource"]["name"] for rr in rrs]
    assert sorted(targets) == sorted(f"cart-{problem}" for problem in range(burst.problems))
    assert taken <= occurrences(rrs) <= taken + failed


async def test_burst_at_zero_becomes_one_rr_for_each_problem_and_counts_every_webhook(
    machine_at_zero: Machine, token: str
) -> None:
    burst = prepare(machine_at_zero, Burst(namespace="shop-zero", problems=60, repeats=5, senders=60))
    outcome = await burst.send(machine_at_zero, token=token)
    assert pods_of(machine_at_zero, ALERTMANAGER).alive >= 1
    assert_nothing_is_lost(machine_at_zero, burst, outcome)


def test_real_alertmanager_gives_up_no_alert(machine: Machine) -> None:
    namespace = "shop-alertmanager"
    workloads = create_workloads(machine, namespace=namespace, number=40)
    start_alertmanager(machine)
    labels = {"alertname": "KubeStatefulSetReplicasMismatch", "severity": "critical", "namespace": namespace}
    alerts = [{"labels": labels | {"statefulset": each}, "annotations": {"summary": "s"}} for each in workloads]
    post_alerts(machine, alerts)
    wait_for(
        lambda: len(remediation_requests(machine, namespace=namespace)) == len(workloads), what="40 RRs", within=60
    )
    assert failed_notifications(machine) == 0


async def test_killed_activator_and_killed_function_lose_nothing(machine: Machine, token: str) -> None:
    burst = prepare(machine, Burst(namespace="shop-killed", problems=40, repeats=5, senders=20))
    sending = asyncio.create_task(burst.send(machine, token=token))

    async def some_are_stored() -> bool:
        return len(await asyncio.to_thread(remediation_requests, machine, namespace=burst.namespace)) > 5

    await eventually(some_are_stored, what="the burst to be under way", within=60)
    async with machine.control() as control:
        for namespace, pod in (
            running(machine, "knative-serving", "activator"),
            running(machine, NAMESPACE, ALERTMANAGER),
        ):
            killed = await control.post(f"/pods/{namespace}/{pod}/kill")
            assert killed.status == 200, await killed.text()
    outcome = await sending
    assert_nothing_is_lost(machine, burst, outcome)


async def test_burst_into_terminating_pods_is_not_lost(machine: Machine, token: str) -> None:
    burst = prepare(machine, Burst(namespace="shop-terminating", problems=20, repeats=2, senders=20))
    first = await burst.send(machine, token=token)

    def all_are_terminating() -> bool:
        pods = pods_of(machine, ALERTMANAGER)
        return pods.alive == 0 < pods.all

    await asyncio.to_thread(wait_for, all_are_terminating, what="the pods to be deleted", within=RESTS_WITHIN)
    second = await burst.send(machine, token=token)
    assert_nothing_is_lost(machine, burst, first, second)


async def test_function_comes_to_rest_after_a_burst_and_then_counts_on(machine: Machine, token: str) -> None:
    burst = prepare(machine, Burst(namespace="shop-again", problems=20, repeats=2, senders=20))
    first = await burst.send(machine, token=token)
    await asyncio.to_thread(
        wait_for, lambda: pods_of(machine, ALERTMANAGER).all == 0, what="the last pod to go", within=RESTS_WITHIN
    )
    again = await burst.send(machine, token=token)
    assert_nothing_is_lost(machine, burst, first, again)


@pytest.mark.parametrize("service", [KUBERNETES_EVENT, "sluice-dead-letters"])
def test_what_happens_to_sluice_itself_wakes_nothing(machine: Machine, service: str) -> None:
    """Its pods' starts and ends make Events too, Warnings of the kubelet among them."""
    wait_for(lambda: pods_of(machine, service).all == 0, what=f"{service} to rest", within=RESTS_WITHIN)
    assert remediation_requests(machine, namespace=NAMESPACE) == []

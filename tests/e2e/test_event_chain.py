"""Kubernetes Events on their whole way: API server, ApiServerSource, Broker, Trigger, function, RR."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster.product import (
    KUBERNETES_EVENT,
    NAMESPACE,
    adapter_follows,
    host_of,
    occurrences,
    remediation_requests,
)
from tests.cluster.workloads import create_warning, create_workloads, repeat_warning
from tests.support.waiting import eventually, wait_for

if TYPE_CHECKING:
    from tests.cluster.machine import Machine

STORED_WITHIN = 600.0  # seconds; 5 on two idle cores, the start of a pod included


NAMESPACES = {"chain-good": 20, "chain-poison": 1, "chain-outage": 10}


@pytest.fixture(scope="module")
def workloads(machine: Machine) -> dict[str, list[str]]:
    """Names by namespace. ApiServerSource starts its adapter anew for each namespace made, so all are made first."""
    made = {name: create_workloads(machine, namespace=name, number=number) for name, number in NAMESPACES.items()}
    wait_for(lambda: adapter_follows(machine, NAMESPACES), what="the source to follow", within=STORED_WITHIN)
    return made


def assert_stored(machine: Machine, namespace: str, *, rrs: int, counted: int) -> None:
    """Wait until there are so many RRs that have counted so many occurrences together."""
    seen = (0, 0)

    def is_stored() -> bool:
        nonlocal seen
        found = remediation_requests(machine, namespace=namespace)
        seen = (len(found), occurrences(found))
        return seen == (rrs, counted)

    try:
        wait_for(is_stored, what=f"{rrs} RRs and {counted} occurrences in {namespace}", within=STORED_WITHIN)
    except AssertionError as error:
        raise AssertionError(f"{error}; stored: {seen}") from None


def dead_letters(machine: Machine) -> str:
    return machine.log_of(namespace=NAMESPACE, pod="sluice-dead-letters", container="event-display")


def send_poison(machine: Machine, *, namespace: str) -> str:
    """Send the Broker a CloudEvent that holds no Event, through the API server's proxy; return its id.

    No Event that the API server stores is poison: one that names no object is ignored.
    """
    event = {
        "specversion": "1.0",
        "type": "dev.knative.apiserver.resource.add",
        "source": "test",
        "id": f"poison-in-{namespace}",
        "namespace": namespace,
        "data": ["no Event"],
    }
    broker = f"/api/v1/namespaces/knative-eventing/services/http:broker-ingress:80/proxy/{NAMESPACE}/sluice"
    answer = machine.request("POST", broker, event, content_type="application/cloudevents+json")
    assert answer.status == 202, answer.body
    return str(event["id"])


def test_each_event_and_its_updates_are_counted_once(machine: Machine, workloads: dict[str, list[str]]) -> None:
    namespace = "chain-good"
    events = [create_warning(machine, namespace=namespace, workload=each) for each in workloads[namespace]]
    for count in (2, 3):
        for event in events:
            repeat_warning(machine, namespace=namespace, event=event, count=count)
    assert_stored(machine, namespace, rrs=20, counted=60)
    assert namespace not in dead_letters(machine)


def test_poison_event_reaches_the_dead_letter_sink_and_holds_up_no_other(
    machine: Machine, workloads: dict[str, list[str]]
) -> None:
    namespace = "chain-poison"
    (workload,) = workloads[namespace]
    poison = send_poison(machine, namespace=namespace)
    good = create_warning(machine, namespace=namespace, workload=workload)
    assert_stored(machine, namespace, rrs=1, counted=1)
    wait_for(lambda: poison in dead_letters(machine), what="the poison in the dead letters", within=STORED_WITHIN)
    assert good not in dead_letters(machine)


async def test_events_wait_while_the_api_server_is_away(machine: Machine, workloads: dict[str, list[str]]) -> None:
    namespace = "chain-outage"
    async with machine.control() as control, machine.connect() as gateway:

        async def answers(status: int) -> bool:
            event = {"apiVersion": "v1", "kind": "Event", "name": "none", "namespace": namespace}
            headers = {
                "Host": host_of(KUBERNETES_EVENT),
                "Content-Type": "application/json",
                "ce-specversion": "1.0",
                "ce-id": "1",
                "ce-source": "test",
                "ce-type": "dev.knative.apiserver.ref.add",
            }
            async with gateway.post("/", data=json.dumps(event), headers=headers) as answer:
                return answer.status == status

        await eventually(lambda: answers(200), what="the function to run", within=STORED_WITHIN)
        for each in workloads[namespace]:
            create_warning(machine, namespace=namespace, workload=each)
        await control.post("/api-server/pause")
        try:
            await eventually(lambda: answers(503), what="the function to feel the outage", within=STORED_WITHIN)
        finally:
            await control.post("/api-server/resume")
    assert_stored(machine, namespace, rrs=10, counted=10)
    assert namespace not in dead_letters(machine)

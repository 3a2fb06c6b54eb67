"""An Event is believed about its own namespace, and what it says of uids about nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core.kube.resources import Resource
from core.results import Status
from core.signals.signal import TargetResource, fingerprint_of
from core.triggers.cloud_events import CloudEvent
from core.triggers.kubernetes_events import KubernetesEventIntake
from tests.support.instances import SHOP, Instance, World
from tests.support.kubernetes_events import kubelet_event, metadata, scheduler_event

if TYPE_CHECKING:
    from core.common.resilience import Deadline
    from core.results import SignalResult

PODS = Resource("", "v1", "pods", "Pod")
POD_SPEC = {"containers": [{"name": "c", "image": "i"}]}
EVIL = "evil"


@pytest.fixture
def resolving(world: World) -> Instance:
    return world.instance(owners="resolve")


async def tell(instance: Instance, event: Any, deadline: Deadline) -> SignalResult:
    sent = CloudEvent(type="dev.knative.apiserver.resource.add", source="s", id="1", data=event)
    (result,) = await KubernetesEventIntake.over(instance.gateway).receive(sent, deadline=deadline)
    return result


def event_in(event_namespace: str, *, event_uid: str = "e-1", **about: str) -> dict[str, Any]:
    return kubelet_event(
        metadata=metadata("e.17a3", event_namespace, uid=event_uid),
        involvedObject={"apiVersion": "v1", "kind": "Pod"} | about,
    )


def fingerprint(kind: str, name: str, namespace: str = SHOP) -> str:
    return fingerprint_of(TargetResource(kind=kind, name=name, namespace=namespace))


@pytest.mark.parametrize("owners", ["resolve", "as-named"])
async def test_event_about_another_namespaces_pod_is_ignored_without_a_call(
    world: World, deadline: Deadline, owners: str
) -> None:
    instance = world.instance(owners=owners)
    event = scheduler_event(
        metadata=metadata("e.17a3", EVIL), regarding={"apiVersion": "v1", "kind": "Pod", "name": "w", "namespace": SHOP}
    )
    result = await tell(instance, event, deadline)
    assert (result.status, result.reason) == (Status.IGNORED, "beyond_reach")
    assert instance.calls == []
    assert instance.metric("gateway_signals_ignored_total", reason="beyond_reach") == 1


async def test_event_with_a_victims_uid_does_not_take_the_victims_events(
    world: World, resolving: Instance, deadline: Deadline
) -> None:
    victim = await world.call("POST", PODS, namespace=SHOP, metadata={"name": "victim"}, spec=POD_SPEC)
    await world.call("POST", PODS, namespace=SHOP, metadata={"name": "other"}, spec=POD_SPEC)
    uid = victim["metadata"]["uid"]
    forged = event_in(SHOP, name="other", namespace=SHOP)
    forged["involvedObject"]["uid"] = uid
    assert (await tell(resolving, forged, deadline)).fingerprint == fingerprint("Pod", "other")
    honest = event_in(SHOP, event_uid="e-2", name="victim", namespace=SHOP)
    honest["involvedObject"]["uid"] = uid
    assert (await tell(resolving, honest, deadline)).fingerprint == fingerprint("Pod", "victim")


@pytest.mark.parametrize(
    "forged",
    [
        event_in(SHOP, name="other", namespace=SHOP),
        event_in(EVIL, name="victim", namespace=EVIL),
        event_in(SHOP, name="victim", namespace=SHOP) | {"reason": "Unhealthy"},
    ],
)
async def test_event_with_the_uid_of_a_victims_event_does_not_stand_for_it(
    world: World, deadline: Deadline, forged: dict[str, Any]
) -> None:
    """One intake: it remembers what it stored, so that the same delivery again is not counted again."""
    instance = world.instance(owners="as-named")
    intake = KubernetesEventIntake.over(instance.gateway)

    async def told(event: Any) -> SignalResult:
        sent = CloudEvent(type="dev.knative.apiserver.resource.add", source="s", id="1", data=event)
        (result,) = await intake.receive(sent, deadline=deadline)
        return result

    assert (await told(forged)).stored
    honest = event_in(SHOP, name="victim", namespace=SHOP)
    assert (await told(honest)).reason != "redelivered"
    assert (await told(honest)).reason == "redelivered"


async def test_node_has_no_namespace_whatever_an_event_says(world: World, deadline: Deadline) -> None:
    instance = world.instance(owners="as-named")
    told = await tell(instance, event_in("default", kind="Node", name="n1", namespace="default"), deadline)
    again = await tell(instance, event_in("kube-system", event_uid="e-2", kind="Node", name="n1"), deadline)
    assert told.fingerprint == again.fingerprint == fingerprint("Node", "n1", "")
    assert "namespace" not in (await world.only_rr(told.fingerprint))["spec"]["targetResource"]


@pytest.mark.parametrize("owners", ["resolve", "as-named"])
async def test_tenant_does_not_report_on_nodes(world: World, deadline: Deadline, owners: str) -> None:
    instance = world.instance(owners=owners)
    result = await tell(instance, event_in(EVIL, kind="Node", name="n1", namespace=EVIL), deadline)
    assert (result.status, result.reason) == (Status.IGNORED, "beyond_reach")
    assert instance.calls == []


async def test_pod_that_an_event_names_without_a_namespace_is_in_the_events_own(
    resolving: Instance, deadline: Deadline
) -> None:
    result = await tell(resolving, event_in("default", name="web"), deadline)
    assert result.fingerprint == fingerprint("Pod", "web", "default")


async def test_event_without_a_namespace_comes_from_no_api_server_and_is_taken_as_it_is(
    resolving: Instance, deadline: Deadline
) -> None:
    result = await tell(resolving, event_in("", name="web", namespace=SHOP), deadline)
    assert result.fingerprint == fingerprint("Pod", "web")


async def test_repeat_of_an_event_costs_one_call(world: World, resolving: Instance, deadline: Deadline) -> None:
    pod = await world.call("POST", PODS, namespace=SHOP, metadata={"name": "web"}, spec=POD_SPEC)
    for number in range(3):
        event = event_in(SHOP, event_uid=f"e-{number}", name="web", namespace=SHOP)
        event["involvedObject"]["uid"] = pod["metadata"]["uid"]
        resolving.restart()
        await tell(resolving, event, deadline)
    assert resolving.calls == ["PATCH remediationrequests/status"]


class TestOtherClusters:
    async def test_event_of_one_is_its_own_problem_and_nothing_is_looked_up(
        self, world: World, deadline: Deadline
    ) -> None:
        instance = world.instance(owners="resolve", cluster="here")
        event = event_in(SHOP, name="web-1", namespace=SHOP) | {"clusterName": "east"}
        result = await tell(instance, event, deadline)
        target = TargetResource(kind="Pod", name="web-1", namespace=SHOP)
        assert (result.status, result.fingerprint) == (Status.CREATED, fingerprint_of(target, cluster="east"))
        assert not any("pods" in call for call in instance.calls)

    async def test_event_of_this_one_meets_those_that_name_none(self, world: World, deadline: Deadline) -> None:
        instance = world.instance(owners="resolve", cluster="here")
        named = event_in(SHOP, name="web-1", namespace=SHOP) | {"clusterName": "here"}
        unnamed = event_in(SHOP, event_uid="e-2", name="web-1", namespace=SHOP)
        statuses = [(await tell(instance, event, deadline)).status for event in (named, unnamed)]
        assert statuses == [Status.CREATED, Status.DEDUPLICATED]

    async def test_event_of_one_speaks_of_its_own_namespace_only(self, world: World, deadline: Deadline) -> None:
        instance = world.instance(owners="resolve", cluster="here")
        event = event_in(EVIL, name="web-1", namespace=SHOP) | {"clusterName": "east"}
        assert (await tell(instance, event, deadline)).reason == "beyond_reach"

"""No remediation request is about the gateway's own doing, whichever way the news comes: no call, and a reason."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from core.kube.resources import CORE_EVENTS, Resource
from core.results import Status
from core.signals.alertmanager import decode_alertmanager
from core.signals.pubsub import MESSAGE_PUBLISHED
from core.triggers.cloud_events import CloudEvent
from core.triggers.dead_letter import DEAD_LETTERS
from core.triggers.kubernetes_events import KubernetesEventIntake
from core.triggers.pubsub import PubSubIntake
from tests.support.instances import NAMESPACE, RRS, SHOP, Instance, World
from tests.support.kubernetes_events import kubelet_event, metadata

if TYPE_CHECKING:
    from core.common.resilience import Deadline
    from core.results import SignalResult

PODS = Resource("", "v1", "pods", "Pod")
POD_SPEC = {"containers": [{"name": "c", "image": "i"}]}
COUNTER = "gateway_signals_ignored_total"
RR = {"apiVersion": "remediation.kubernaut.ai/v1alpha1", "kind": "RemediationRequest", "name": "rr-1"}
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "name": "gw-lock-1"}
ANALYSIS = {"apiVersion": "kubernaut.ai/v1alpha1", "kind": "AIAnalysis", "name": "ai-rr-1"}
DEAD_LETTER = {"apiVersion": DEAD_LETTERS.api_version, "kind": DEAD_LETTERS.kind, "name": "letter-1"}
OWN_KINDS = [RR, LEASE, ANALYSIS, DEAD_LETTER]


def event_about(about: dict[str, str], *, namespace: str = SHOP) -> dict[str, Any]:
    return kubelet_event(
        metadata=metadata(f"{about['name']}.17a3", namespace),
        involvedObject={"namespace": namespace, "uid": "u"} | about,
    )


async def by_event(instance: Instance, event: Any, deadline: Deadline) -> SignalResult:
    sent = CloudEvent(type="dev.knative.apiserver.resource.add", source="s", id="1", data=event)
    (result,) = await KubernetesEventIntake.over(instance.gateway).receive(sent, deadline=deadline)
    return result


async def by_message(instance: Instance, content: Any, deadline: Deadline) -> SignalResult:
    message = {"data": b64encode(json.dumps(content).encode()).decode(), "messageId": "1"}
    sent = CloudEvent(type=MESSAGE_PUBLISHED, source="s", id="1", data={"message": message})
    (result,) = await PubSubIntake.over(instance.gateway).receive(sent, deadline=deadline)
    return result


async def by_webhook(instance: Instance, deadline: Deadline, **labels: str) -> SignalResult:
    body = json.dumps(webhook(**labels)).encode()
    batch = decode_alertmanager(body, received_time=instance.gateway.clock.now(), signal_type="alert")
    (result,) = await instance.gateway.pipeline.process(batch, digest=b"d", deadline=deadline)
    return result


def webhook(**labels: str) -> dict[str, Any]:
    return {"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "Down"} | labels}]}


def assert_ignored(result: SignalResult, instance: Instance) -> None:
    assert (result.status, result.reason) == (Status.IGNORED, "own")
    assert instance.calls == []
    assert instance.metric(COUNTER, reason="own") == 1


@pytest.fixture
def resolving(world: World) -> Instance:
    return world.instance(owners="resolve")


@pytest.mark.parametrize("about", OWN_KINDS, ids=lambda about: about["kind"])
@pytest.mark.parametrize("scope_label", ["", "kubernaut.ai/managed"])
async def test_event_about_an_own_kind(world: World, deadline: Deadline, about: Any, scope_label: str) -> None:
    instance = world.instance(owners="resolve", scope_label=scope_label)
    assert_ignored(await by_event(instance, event_about(about), deadline), instance)


@pytest.mark.parametrize("about", OWN_KINDS, ids=lambda about: about["kind"])
async def test_event_in_a_message_about_an_own_kind(resolving: Instance, deadline: Deadline, about: Any) -> None:
    assert_ignored(await by_message(resolving, event_about(about), deadline), resolving)


async def test_event_about_a_pod_in_its_namespace(resolving: Instance, deadline: Deadline) -> None:
    event = event_about({"apiVersion": "v1", "kind": "Pod", "name": "sluice-0"}, namespace=NAMESPACE)
    assert_ignored(await by_event(resolving, event, deadline), resolving)


async def test_alert_about_a_pod_in_its_namespace(resolving: Instance, deadline: Deadline) -> None:
    assert_ignored(await by_webhook(resolving, deadline, pod="sluice-0", namespace=NAMESPACE), resolving)


async def test_alert_in_a_message_about_a_pod_in_its_namespace(resolving: Instance, deadline: Deadline) -> None:
    content = webhook(pod="sluice-0", namespace=NAMESPACE)
    assert_ignored(await by_message(resolving, content, deadline), resolving)


async def test_no_lookup_of_owners_is_needed_for_it(world: World, deadline: Deadline) -> None:
    instance = world.instance(owners="as-named")
    assert_ignored(await by_event(instance, event_about(RR), deadline), instance)


async def test_own_namespace_can_be_taken_all_the_same(world: World, deadline: Deadline) -> None:
    instance = world.instance(owners="resolve", own_namespace="take")
    assert (await by_webhook(instance, deadline, pod="x", namespace=NAMESPACE)).status is Status.CREATED
    assert (await by_event(instance, event_about(RR, namespace=NAMESPACE), deadline)).status is Status.IGNORED


@pytest.mark.parametrize("own", ["", "here"])
async def test_namespace_of_another_cluster_is_not_its_own(world: World, deadline: Deadline, own: str) -> None:
    instance = world.instance(owners="resolve", cluster=own)
    elsewhere = await by_webhook(instance, deadline, pod="x", namespace=NAMESPACE, cluster="elsewhere")
    assert elsewhere.status is Status.CREATED


async def test_own_cluster_is_known_by_its_name(world: World, deadline: Deadline) -> None:
    instance = world.instance(owners="resolve", cluster="here")
    assert_ignored(await by_webhook(instance, deadline, pod="x", namespace=NAMESPACE, cluster="here"), instance)


@pytest.mark.parametrize("controls", [True, False])
async def test_pod_that_an_own_kind_made_is_its_doing_too(
    world: World, resolving: Instance, deadline: Deadline, controls: bool
) -> None:
    owner = {"apiVersion": "kubernaut.ai/v1alpha1", "kind": "WorkflowExecution", "name": "we-1", "uid": "u-1"}
    reference = owner | ({"controller": True} if controls else {})
    pod = {"name": "we-1-x2k4q", "ownerReferences": [reference]}
    await world.call("POST", PODS, namespace=SHOP, metadata=pod, spec=POD_SPEC)

    result = await by_webhook(resolving, deadline, pod="we-1-x2k4q", namespace=SHOP)

    assert (result.status, result.reason) == (Status.IGNORED, "own")
    assert "belongs to WorkflowExecution shop/we-1" in result.error
    assert not any("leases" in call or "remediationrequests" in call for call in resolving.calls)


@pytest.mark.parametrize(
    "labels",
    [
        {"target_kind": "RemediationRequest", "target_name": "{rr}"},
        {"involved_object_kind": "RemediationRequest", "involved_object_name": "{rr}"},
        {"kind": "RemediationRequest", "name": "{rr}"},
        {"remediationrequest": "{rr}"},
    ],
    ids=lambda labels: next(iter(labels)),
)
async def test_alert_about_an_rr_whatever_label_names_it(
    world: World, deadline: Deadline, labels: dict[str, str]
) -> None:
    instance = world.instance(owners="resolve", own_namespace="take")
    created = await by_webhook(instance, deadline, pod="x", namespace=SHOP)
    named = {label: text.format(rr=created.rr_name) for label, text in labels.items()}
    result = await by_webhook(instance, deadline, namespace=NAMESPACE, **named)
    assert (result.status, result.reason) == (Status.IGNORED, "own")
    assert "is a remediation request" in result.error


async def test_its_own_event_on_an_rr_opens_none_be_it_taken_for_a_warning(world: World, deadline: Deadline) -> None:
    instance = world.instance(owners="resolve", rr_events="write")
    assert (await by_webhook(instance, deadline, pod="x", namespace=SHOP)).status is Status.CREATED
    await instance.gateway.close()
    (written,) = (await world.call("GET", CORE_EVENTS))["items"]
    reader = world.instance(owners="resolve", own_namespace="take")
    assert (await by_event(reader, written, deadline)).reason == "normal_event"
    assert (await by_event(reader, written | {"type": "Warning"}, deadline)).reason == "own"
    assert len((await world.call("GET", RRS))["items"]) == 1


async def test_log_names_the_object_and_why(
    resolving: Instance, deadline: Deadline, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await by_event(resolving, event_about(RR), deadline)
    (record,) = [each for each in caplog.records if getattr(each, "reason", "") == "own"]
    assert record.levelno == logging.INFO
    assert "RemediationRequest shop/rr-1 is a remediation request" in record.message

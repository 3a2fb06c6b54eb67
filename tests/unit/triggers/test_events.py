"""Events are read where they stand, and counted once however often they are sent."""

from typing import Any
from uuid import uuid4

import pytest

from core.errors import PayloadError
from core.kube.errors import ApiUnreachableError, ForbiddenError, KubernetesError
from core.results import Status
from core.triggers.cloud_events import CloudEvent
from core.triggers.kubernetes_events import KubernetesEventIntake
from tests.support.instances import count
from tests.support.kubernetes_events import kubelet_event, metadata, reference, scheduler_event
from tests.support.scripted import answered, refused

IGNORED = "gateway_signals_ignored_total"
RESOURCE, REF = "dev.knative.apiserver.resource.update", "dev.knative.apiserver.ref.update"
GONE = refused(404, "NotFound", details={"name": "web.1", "kind": "events"})


@pytest.fixture
def intake(instance):
    return KubernetesEventIntake.over(instance.gateway)


@pytest.fixture
def send(intake, deadline):
    """Send an Event's object, or a reference to one, as ApiServerSource does: under another id each time."""

    async def send(data: Any, *, event_type: str = RESOURCE) -> Any:
        event = CloudEvent(type=event_type, source="https://10.0.0.1:443", id=str(uuid4()), data=data)
        (result,) = await intake.receive(event, deadline=deadline)
        return result

    return send


class TestWholeEvents:
    async def test_event_becomes_an_rr_about_its_object(self, send, instance, world):
        event = kubelet_event()
        result = await send(event)
        assert result.status is Status.CREATED
        spec = (await world.only_rr(result.fingerprint))["spec"]
        assert (spec["signalName"], spec["severity"], spec["signalType"]) == ("BackOff", "Warning", "kubernetes-event")
        assert spec["targetResource"] == {
            "kind": "Pod",
            "name": event["involvedObject"]["name"],
            "namespace": "prod",
            "apiVersion": "v1",
        }

    async def test_same_occurrence_sent_again_costs_no_call_and_counts_nothing(self, send, instance, world):
        first = await send(kubelet_event())
        instance.restart()
        for _ in range(3):
            assert (await send(kubelet_event())).status is Status.IGNORED
        assert instance.calls == []
        assert count(await world.only_rr(first.fingerprint)) == 1
        assert instance.metric(IGNORED, reason="redelivered") == 3

    async def test_next_occurrence_is_counted(self, send, world):
        first = await send(kubelet_event())
        assert (await send(kubelet_event(count=8))).status is Status.DEDUPLICATED
        assert count(await world.only_rr(first.fingerprint)) == 2

    async def test_series_going_on_is_counted(self, send, world):
        first = await send(scheduler_event())
        again = {"count": 5, "lastObservedTime": "2026-01-02T03:04:05.000000Z"}
        assert (await send(scheduler_event(series=again))).status is Status.DEDUPLICATED
        assert count(await world.only_rr(first.fingerprint)) == 2

    async def test_event_without_a_uid_is_counted_each_time(self, send, world):
        event = kubelet_event(metadata=metadata("web.1", "prod", uid=""))
        first = await send(event)
        assert (await send(event)).status is Status.DEDUPLICATED
        assert count(await world.only_rr(first.fingerprint)) == 2

    async def test_what_could_not_be_stored_is_not_remembered(self, send, instance, world):
        instance.wire.on("LIST remediationrequests", drop=True)
        assert (await send(kubelet_event())).status is Status.FAILED
        stored = await send(kubelet_event())
        assert stored.status is Status.CREATED
        assert count(await world.only_rr(stored.fingerprint)) == 1

    async def test_what_was_ignored_is_not_remembered(self, send, instance):
        for _ in range(2):
            assert (await send(kubelet_event(type="Normal"))).status is Status.IGNORED
        assert instance.metric(IGNORED, reason="normal_event") == 2
        assert instance.metric(IGNORED, reason="redelivered") == 0
        assert instance.calls == []

    async def test_old_event_is_ignored_and_counted(self, send, instance, world):
        event = kubelet_event()
        world.pass_time(300.5)
        assert (await send(event)).status is Status.IGNORED
        assert instance.metric(IGNORED, reason="old_event") == 1
        assert instance.calls == []

    async def test_age_is_a_setting(self, world, deadline):
        intake = KubernetesEventIntake.over(world.instance(event_max_age=1).gateway)
        world.pass_time(1.5)
        event = CloudEvent(type=RESOURCE, source="s", id="1", data=kubelet_event())
        (result,) = await intake.receive(event, deadline=deadline)
        assert result.status is Status.IGNORED

    async def test_deletion_is_ignored_and_counted(self, send, instance):
        result = await send(kubelet_event(), event_type="dev.knative.apiserver.resource.delete")
        assert result.status is Status.IGNORED
        assert instance.metric(IGNORED, reason="deleted_event") == 1

    async def test_event_about_nothing_is_ignored_and_counted(self, send, instance):
        result = await send(kubelet_event(involvedObject=None))
        assert (result.status, result.reason) == (Status.IGNORED, "no_target")
        assert instance.metric(IGNORED, reason="no_target") == 1

    async def test_data_that_is_no_event_is_refused(self, send):
        with pytest.raises(PayloadError):
            await send("text")


class TestReferences:
    @pytest.mark.parametrize(
        ("event", "path"),
        [
            (kubelet_event(), "/api/v1/namespaces/prod/events/"),
            (scheduler_event(), "/apis/events.k8s.io/v1/namespaces/prod/events/"),
        ],
        ids=["core", "new"],
    )
    async def test_event_is_read_by_name_in_its_own_group(self, send, instance, monkeypatch, event, path):
        asked = []
        answer = instance.wire.send

        async def send_and_tell(request, *, timeout):
            asked.append(request.path)
            return await answer(request, timeout=timeout)

        monkeypatch.setattr(instance.wire, "send", send_and_tell)
        instance.wire.on("GET events", answer=answered(200, event))
        result = await send(reference(event), event_type=REF)
        assert result.status is Status.CREATED
        assert asked[0] == path + event["metadata"]["name"]
        assert instance.calls[:2] == ["GET events", "LIST remediationrequests"]

    async def test_same_occurrence_costs_one_read_and_counts_nothing(self, send, instance, world):
        for _ in range(2):
            instance.wire.on("GET events", answer=answered(200, kubelet_event()))
        first = await send(reference(kubelet_event()), event_type=REF)
        instance.restart()
        assert (await send(reference(kubelet_event()), event_type=REF)).status is Status.IGNORED
        assert instance.calls == ["GET events"]
        assert count(await world.only_rr(first.fingerprint)) == 1

    async def test_both_modes_know_each_others_occurrences(self, send, instance):
        await send(kubelet_event())
        instance.wire.on("GET events", answer=answered(200, kubelet_event()))
        assert (await send(reference(kubelet_event()), event_type=REF)).status is Status.IGNORED

    async def test_event_that_is_gone_is_ignored_and_counted(self, send, instance):
        instance.wire.on("GET events", answer=GONE)
        assert (await send(reference(kubelet_event()), event_type=REF)).status is Status.IGNORED
        assert instance.metric(IGNORED, reason="event_gone") == 1
        assert instance.calls == ["GET events"]

    @pytest.mark.parametrize(
        ("trouble", "error"),
        [
            ({"drop": True}, ApiUnreachableError),
            ({"answer": refused(503)}, KubernetesError),
            ({"answer": refused(429, "TooManyRequests", Retry_After="3")}, KubernetesError),
            ({"answer": refused(403, "Forbidden")}, ForbiddenError),
            ({"answer": answered(404, b"404 page not found\n")}, KubernetesError),
            ({"answer": answered(200, b"<html>")}, KubernetesError),
        ],
        ids=["dropped", "503", "429", "403", "no such API", "no object"],
    )
    async def test_event_that_cannot_be_read_now_is_an_error(self, send, instance, trouble, error):
        instance.wire.on("GET events", **trouble)
        with pytest.raises(error):
            await send(reference(kubelet_event()), event_type=REF)
        assert instance.metric(IGNORED, reason="event_gone") == 0

    async def test_deletion_reads_nothing(self, send, instance):
        result = await send(reference(kubelet_event()), event_type="dev.knative.apiserver.ref.delete")
        assert result.status is Status.IGNORED
        assert instance.calls == []


async def test_nothing_is_held_open(intake):
    assert await intake.close() is None

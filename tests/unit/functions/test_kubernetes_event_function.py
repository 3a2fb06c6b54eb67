"""The function `kubernetes_event`: what an ApiServerSource or a Broker sends, and what each is answered."""

from datetime import UTC, datetime, timedelta

import pytest

from core.kube.errors import ApiUnreachableError
from tests.support.cloud_events import binary, structured
from tests.support.kubernetes_events import (
    controller_event,
    kubelet_event,
    node_event,
    reference,
    scheduler_event,
)
from tests.support.scripted import TOO_LONG, answered
from tests.support.scripted import refused as refusal
from tests.unit.functions.answered_events import acknowledged, comes_again, logged, refused, stored

ADD, UPDATE = "dev.knative.apiserver.resource.add", "dev.knative.apiserver.resource.update"
REF_ADD, REF_UPDATE = "dev.knative.apiserver.ref.add", "dev.knative.apiserver.ref.update"


@pytest.fixture
def target() -> str:
    return "kubernetes_event"


@pytest.fixture
def now():
    return datetime.now(UTC)


@pytest.mark.parametrize("make", [kubelet_event, scheduler_event, controller_event, node_event])
@pytest.mark.parametrize("event_type", [ADD, UPDATE])
async def test_warning_becomes_an_rr(function, wire, now, make, event_type):
    acknowledged(await function.send(binary(event_type, make(at=now))))
    (rr,) = await stored(wire)
    assert rr["spec"]["severity"] == "Warning"
    assert rr["spec"]["signalType"] == "kubernetes-event"


@pytest.mark.parametrize("event_type", [REF_ADD, REF_UPDATE])
@pytest.mark.parametrize("make", [kubelet_event, scheduler_event])
async def test_event_that_is_referred_to_is_read_first(function, wire, now, make, event_type):
    event = make(at=now)
    wire.on("GET events", answer=answered(200, event))
    acknowledged(await function.send(structured(event_type, reference(event))))
    (rr,) = await stored(wire)
    assert rr["spec"]["signalName"] == event["reason"]


async def test_all_reporters_of_one_pod_make_one_rr(function, wire, now):
    for event in (kubelet_event(at=now), scheduler_event(at=now, metadata={"uid": "2"}), controller_event(at=now)):
        acknowledged(await function.send(binary(ADD, event)))
    (rr,) = await stored(wire)
    assert rr["status"]["deduplication"]["occurrenceCount"] == 3


async def test_occurrence_sent_under_another_id_is_not_counted(function, wire, now):
    event = kubelet_event(at=now)
    for _ in range(3):
        acknowledged(await function.send(binary(ADD, event)))
    acknowledged(await function.send(binary(UPDATE, event | {"count": 8})))
    (rr,) = await stored(wire)
    assert rr["status"]["deduplication"]["occurrenceCount"] == 2


@pytest.mark.parametrize(
    "event_type", [ADD, "dev.knative.apiserver.resource.delete", "dev.knative.apiserver.ref.delete"]
)
async def test_normal_events_and_deletions_are_acknowledged_and_call_nobody(function, scripted, now, event_type):
    acknowledged(await function.send(binary(event_type, kubelet_event(at=now, type="Normal"))))


async def test_old_event_is_acknowledged_and_calls_nobody(function, scripted, now):
    acknowledged(await function.send(binary(ADD, kubelet_event(at=now - timedelta(seconds=301)))))


async def test_age_is_a_setting(function, scripted, now):
    function.set(event_max_age=10)
    acknowledged(await function.send(binary(ADD, kubelet_event(at=now - timedelta(seconds=11)))))


async def test_event_that_is_gone_is_acknowledged(function, scripted, now):
    scripted.then("GET events", refusal(404, "NotFound", details={"name": "web.1", "kind": "events"}))
    acknowledged(await function.send(binary(REF_ADD, reference(kubelet_event(at=now)))))


@pytest.mark.parametrize(
    "said",
    [
        ApiUnreachableError("no answer"),
        refusal(503),
        refusal(500),
        refusal(429, "TooManyRequests"),
        refusal(403, "Forbidden"),
        answered(404, b"404 page not found\n"),
        answered(200, b"<html>"),
        KeyError("a bug"),
    ],
)
async def test_event_that_cannot_be_read_now_comes_again(function, scripted, now, said):
    scripted.then("GET events", said)
    comes_again(await function.send(binary(REF_ADD, reference(kubelet_event(at=now)))))


@pytest.mark.parametrize(
    "case",
    [
        ("com.example.happened", {"a": 1}, "CloudEvent type is 'com.example.happened'; send dev.knative."),
        ("com.example.happened", [kubelet_event()], "CloudEvent type is 'com.example.happened'; send dev.knative."),
        ("com.example.happened", b"text", "or any type whose data is an Alertmanager webhook"),
        ("dev.knative.apiserver.new", kubelet_event(), "CloudEvent type is 'dev.knative.apiserver.new'"),
        ("dev.knative.apiserver.ref.patch", {}, "CloudEvent type is 'dev.knative.apiserver.ref.patch'"),
        (ADD, b"{", "CloudEvent data is b'{'; send the Event as a JSON object"),
        (ADD, b"\xff\xfe", r"CloudEvent data is b'\xff\xfe'"),
        (ADD, b"", "CloudEvent data is None"),
        (ADD, [], "CloudEvent data is []"),
        (ADD, b'{"message": "\\ud800"}', "CloudEvent data holds half a surrogate pair"),
        (ADD, b'{"a":' * 400 + b"1" + b"}" * 400, "nested too deeply"),
        (ADD, kubelet_event(type=7), "Event.type is 7: "),
        (ADD, kubelet_event(involvedObject=7), "Event.involvedObject is 7: "),
        (ADD, kubelet_event(count=float("nan")), "Event.count is nan: "),
        (REF_ADD, {}, "data.apiVersion is {}: Field required"),
        (REF_ADD, reference(kubelet_event()) | {"kind": "Pod"}, "let the ApiServerSource watch Events only"),
        (REF_ADD, reference(kubelet_event()) | {"name": "../../x"}, "data.name is '../../x': "),
    ],
)
async def test_poison_is_refused_with_a_sentence_and_logged(function, scripted, capsys, case):
    event_type, data, sentence = case
    assert sentence in refused(await function.send(binary(event_type, data)))
    (line,) = logged(capsys)
    assert line["severity"] == "WARNING"
    assert sentence in line["message"]


@pytest.mark.parametrize("event_type", [7, None, {"a": 1}, "\ud800"])
async def test_type_of_any_value_is_refused(function, scripted, event_type):
    refused(await function.send(structured("x", {"a": 1}, type=event_type)))


async def test_event_that_the_api_server_refuses_for_ever_is_poison(function, wire, now):
    wire.on(
        "CREATE remediationrequests",
        answer=refusal(422, "Invalid", message="spec.severity: too long", details=TOO_LONG),
    )
    assert "spec.severity: too long" in refused(await function.send(binary(ADD, kubelet_event(at=now))))

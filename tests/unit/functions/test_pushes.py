"""The function `pubsub` behind a push subscription without Eventarc: wrapped, and unwrapped with metadata or none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cloud_events import binary
from tests.support.kubernetes_events import kubelet_event
from tests.support.pubsub_messages import MESSAGE_ID, PUBLISH_TIME, PUBLISHED, envelope, incident
from tests.support.scripted import refused as refusal
from tests.unit.functions.answered_events import acknowledged, comes_again, logged, refused, stored
from tests.unit.functions.webhooks import alert, webhook

if TYPE_CHECKING:
    from tests.unit.functions.asgi import Answered
    from tests.unit.functions.conftest import Function

SUBSCRIPTION = "projects/shop/subscriptions/sluice"
METADATA = {
    "X_Goog_Pubsub_Message_Id": MESSAGE_ID,
    "X_Goog_Pubsub_Publish_Time": PUBLISH_TIME,
    "X_Goog_Pubsub_Subscription_Name": SUBSCRIPTION,
}
CONTENTS = [
    (lambda: webhook(alert()), "prometheus-alert"),
    (lambda: written(alert()), "prometheus-alert"),
    (lambda: written(kubelet_event(at=datetime.now(UTC))), "kubernetes-event"),
    (lambda: written(incident()), "cloud-monitoring-incident"),
]


@pytest.fixture
def target() -> str:
    return "pubsub"


def written(content: object) -> bytes:
    return json.dumps(content).encode()


async def wrapped(function: Function, content: object, **message: Any) -> Answered:
    return await function.post(written(envelope(content, **message) | {"subscription": SUBSCRIPTION}))


async def unwrapped(function: Function, content: bytes, **headers: str) -> Answered:
    return await function.post(content, **METADATA | headers)


@pytest.mark.parametrize("send", [wrapped, unwrapped])
@pytest.mark.parametrize(("content", "signal_type"), CONTENTS)
async def test_message_is_stored_like_that_of_eventarc(function, wire, send, content, signal_type):
    acknowledged(await send(function, content()))
    (rr,) = await stored(wire)
    assert rr["spec"]["signalType"] == signal_type
    annotations = rr["metadata"]["annotations"]
    assert annotations["gateway.kubernaut.ai/pubsub-message-id"] == MESSAGE_ID
    assert annotations["gateway.kubernaut.ai/pubsub-publish-time"] == PUBLISH_TIME


@pytest.mark.parametrize(("content", "signal_type"), CONTENTS)
async def test_message_without_metadata_is_known_by_its_form(function, wire, content, signal_type):
    acknowledged(await function.post(content()))
    (rr,) = await stored(wire)
    assert rr["spec"]["signalType"] == signal_type
    assert "gateway.kubernaut.ai/pubsub-message-id" not in rr["metadata"]["annotations"]


@pytest.mark.parametrize("send", [wrapped, unwrapped])
async def test_message_delivered_again_is_not_counted(function, wire, send):
    for _ in range(3):
        acknowledged(await send(function, webhook(alert())))
    (rr,) = await stored(wire)
    assert rr["status"]["deduplication"]["occurrenceCount"] == 1


async def test_one_message_is_the_same_wrapped_and_unwrapped(function, wire):
    acknowledged(await wrapped(function, webhook(alert())))
    acknowledged(await unwrapped(function, webhook(alert())))
    (rr,) = await stored(wire)
    assert rr["status"]["deduplication"]["occurrenceCount"] == 1


async def test_message_of_another_subscription_is_another_message(function, wire):
    acknowledged(await unwrapped(function, webhook(alert())))
    acknowledged(await unwrapped(function, webhook(alert()), X_Goog_Pubsub_Subscription_Name="projects/x/y"))
    (rr,) = await stored(wire)
    assert rr["status"]["deduplication"]["occurrenceCount"] == 2


async def test_message_without_metadata_counts_each_time(function, wire):
    for _ in range(2):
        acknowledged(await function.post(webhook(alert())))
    (rr,) = await stored(wire)
    assert rr["status"]["deduplication"]["occurrenceCount"] == 2


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "", "application/json; charset=x"])
async def test_type_of_an_unwrapped_message_is_its_publishers_and_does_not_matter(function, wire, content_type):
    acknowledged(await unwrapped(function, webhook(alert()), Content_Type=content_type))
    assert len(await stored(wire)) == 1


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ((wrapped, b"{"), "message.data is b'{', no JSON"),
        ((unwrapped, b"{"), "message.data is b'{', no JSON"),
        ((unwrapped, b""), "message.data is empty"),
        ((unwrapped, b"\xff"), r"message.data is b'\xff', no JSON"),
        ((unwrapped, b"[]"), "message.data is []; publish a JSON object"),
        ((unwrapped, b'{"hello": 1}'), "publish an Alertmanager webhook"),
        ((wrapped, {"hello": 1}), "publish an Alertmanager webhook"),
    ],
)
async def test_poison_is_acknowledged_and_logged_with_its_message(function, scripted, capsys, sent, sentence):
    send, content = sent
    acknowledged(await send(function, content))
    (line,) = [line for line in logged(capsys) if "is put aside" in line["message"]]
    assert sentence in line["message"]
    assert line["event_id"] == MESSAGE_ID
    assert line["event_source"] == f"//pubsub.googleapis.com/{SUBSCRIPTION}"
    assert line["data"]["message"]["messageId"] == MESSAGE_ID


@pytest.mark.parametrize("message", [{"data": 7}, {"data": "e30=", "messageId": 7}, {"messageId": ["\ud800"]}])
async def test_broken_wrapping_is_poison_and_acknowledged(function, scripted, capsys, message):
    acknowledged(await function.post(written({"message": message, "subscription": ["\ud800"]})))
    (line,) = [line for line in logged(capsys) if "is put aside" in line["message"]]
    assert "data.message" in line["message"] or "the message is {}" in line["message"]


@pytest.mark.parametrize("send", [wrapped, unwrapped])
async def test_what_cannot_be_stored_now_comes_again(function, scripted, send):
    scripted.then("LIST remediationrequests", refusal(503, message="etcd is down"))
    assert "etcd is down" in comes_again(await send(function, webhook(alert())))


@pytest.mark.parametrize("send", [wrapped, unwrapped])
async def test_token_is_asked_for_as_of_eventarc(function, scripted, send):
    function.set(auth="kubernetes")
    answered = await send(function, webhook(alert()))
    assert answered.problem(401)
    assert answered.chunks_read == 0


async def test_cloud_event_with_a_message_in_it_is_not_taken_for_a_wrapped_message(function, wire):
    acknowledged(await function.send(binary(PUBLISHED, envelope(webhook(alert())))))
    refused(await function.post(written({"specversion": "1.0", "message": {"data": "e30="}})))
    assert len(await stored(wire)) == 1

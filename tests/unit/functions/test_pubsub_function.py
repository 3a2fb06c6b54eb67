"""The function `pubsub`: only 200 ends a message's redelivery; all that is not transient is answered so."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from core.triggers.dead_letter_topic import EMULATOR
from tests.support.cloud_events import binary, structured
from tests.support.kubernetes_events import kubelet_event
from tests.support.pubsub_messages import MESSAGE_ID, PUBLISHED, SOURCE, envelope, incident
from tests.support.pubsub_server import PubSubServer
from tests.support.scripted import TOO_LONG
from tests.support.scripted import refused as refusal
from tests.unit.functions.answered_events import acknowledged, comes_again, logged, stored
from tests.unit.functions.webhooks import alert, webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOPIC = "projects/shop/topics/poison"


@pytest.fixture
def target() -> str:
    return "pubsub"


@pytest.fixture
async def topic(function: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PubSubServer]:
    """A dead letter topic that the function knows."""
    async with PubSubServer() as server:
        monkeypatch.setenv(EMULATOR, server.address)
        function.set(dead_letter_topic=TOPIC)
        yield server


def message(content: object, **more: Any) -> Any:
    return binary(PUBLISHED, envelope(content, **more), source=SOURCE, id=MESSAGE_ID)


@pytest.mark.parametrize(
    ("content", "signal_type"),
    [
        (lambda: webhook(alert()), "prometheus-alert"),
        (alert, "prometheus-alert"),
        (lambda: kubelet_event(at=datetime.now(UTC)), "kubernetes-event"),  # of now, not of the collection
        (incident, "cloud-monitoring-incident"),
    ],
)
async def test_every_kind_of_message_is_stored_and_acknowledged(function, wire, content, signal_type):
    acknowledged(await function.send(message(content())))
    (rr,) = await stored(wire)
    assert rr["spec"]["signalType"] == signal_type
    assert rr["metadata"]["annotations"]["gateway.kubernaut.ai/pubsub-message-id"] == MESSAGE_ID


async def test_signal_type_of_alerts_is_a_setting(function, wire):
    function.set(signal_type="alert")
    acknowledged(await function.send(message(alert())))
    assert (await stored(wire))[0]["spec"]["signalType"] == "alert"


@pytest.mark.parametrize(
    "content",
    [
        webhook(),
        alert(status="resolved", labels={}),
        alert(labels={}),
        incident(state="closed", resource=None),
        incident(resource=None),
        kubelet_event(type="Normal"),
    ],
)
async def test_nothing_to_do_is_acknowledged_and_calls_nobody(function, scripted, content):
    acknowledged(await function.send(message(content)))


async def test_message_delivered_again_is_acknowledged_and_not_counted(function, wire):
    for _ in range(3):
        acknowledged(await function.send(message(alert())))
    (rr,) = await stored(wire)
    assert rr["status"]["deduplication"]["occurrenceCount"] == 1


POISON = [
    (binary("com.example", [alert()]), "or any type whose data is an Alertmanager webhook"),
    (binary("com.example", {}), "CloudEvent type is 'com.example'; send google.cloud.pubsub"),
    (structured("\ud800", {}), "CloudEvent type is '\\\\ud800'"),
    (binary(PUBLISHED, b"{"), "data.message is b'{'"),
    (binary(PUBLISHED, b"\xff\xfe"), r"data.message is b'\xff\xfe'"),
    (binary(PUBLISHED, b""), "data.message is None"),
    (binary(PUBLISHED, {"subscription": "s"}), "data.message is None"),
    (binary(PUBLISHED, {"message": {"data": ["\ud800"]}}), r"data.message.data is ['\ud800']"),
    (binary(PUBLISHED, b'{"a":' * 400 + b"1" + b"}" * 400), "data.message is None"),
    (message({}, data="%"), "no base64"),
    (message(b""), "message.data is empty"),
    (message(b"{"), "no JSON"),
    (message({"hello": 1}), "publish an Alertmanager webhook"),
    (message(alert(labels={"pod": 7})), "alerts[0].labels.pod is 7"),
    (message(incident(state=7)), "incident.state is 7"),
]


@pytest.mark.parametrize(("sent", "sentence"), POISON)
async def test_poison_is_acknowledged_and_logged_in_full(function, scripted, capsys, sent, sentence):
    acknowledged(await function.send(sent))
    (line,) = [line for line in logged(capsys) if "is put aside" in line["message"]]
    assert line["severity"] == "ERROR"
    assert sentence in line["message"]
    assert "stack_trace" not in line
    assert "data" in line


@pytest.mark.parametrize(("sent", "sentence"), POISON)
async def test_poison_is_published_to_the_topic_once(function, scripted, topic, sent, sentence):
    acknowledged(await function.send(sent))
    (letter,) = topic.messages
    assert sentence in letter.attributes["reason"]
    json.loads(letter.data)


@pytest.mark.parametrize(
    "content",
    [
        lambda: alert(labels={"alertname": "A", "namespace": "prod", "pod": "web-1", "dc": "east"}),
        lambda: incident(
            "prometheus_target",
            {"cluster": "eu-1", "namespace": "prod"},
            metric={"type": "prometheus.googleapis.com/x/counter", "labels": {"pod": "web-1", "dc": "east"}},
        ),
    ],
)
async def test_cluster_is_named_by_the_labels_of_the_setting(function, wire, content):
    function.set(cluster_labels="dc,cluster")
    acknowledged(await function.send(message(content())))
    assert (await stored(wire))[0]["spec"]["clusterID"] == "east"


async def test_poison_that_cannot_be_published_comes_again(function, scripted, topic):
    topic.refusals.append((grpc.StatusCode.UNAVAILABLE, "try later"))
    answer = await function.send(message(b"{"))
    assert comes_again(answer) == f"a dead letter could not be published to {TOPIC}; the gateway's log says why"
    assert answer.headers["Retry-After"] == "5"
    acknowledged(await function.send(message(b"{")))
    assert len(topic.messages) == 1


async def test_good_alerts_of_a_partly_poisoned_webhook_are_stored(function, wire, topic):
    acknowledged(await function.send(message(webhook(alert(), alert(labels={"pod": 7})))))
    assert len(await stored(wire)) == 1
    assert len(topic.messages) == 1


async def test_alert_that_the_api_server_refuses_for_ever_is_put_aside(function, wire, topic):
    wire.on(
        "CREATE remediationrequests",
        answer=refusal(422, "Invalid", message="spec.severity: too long", details=TOO_LONG),
    )
    acknowledged(await function.send(message(alert())))
    (letter,) = topic.messages
    assert "spec.severity: too long" in letter.attributes["reason"]


def test_connection_to_the_topic_is_closed_with_the_loop(function, wire, monkeypatch):
    """What is left open warns, and warnings are errors."""
    function.set(dead_letter_topic=TOPIC)

    async def serve() -> None:
        async with PubSubServer() as server:
            monkeypatch.setenv(EMULATOR, server.address)
            acknowledged(await function.send(message(b"{")))
            assert len(server.messages) == 1

    for _ in range(2):  # a worker that gets another loop connects anew
        asyncio.run(serve())


@pytest.mark.parametrize("topic_name", ["poison", "projects/shop", "projects/shop/topics/", "projects/a b/topics/x"])
def test_topic_that_cannot_be_one_stops_the_start(function, topic_name):
    function.set(dead_letter_topic=topic_name)
    with pytest.raises(SystemExit, match="SLUICE_DEAD_LETTER_TOPIC"):
        function.load()

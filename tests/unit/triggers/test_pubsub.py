"""Messages are stored, or put aside once; what is transient comes again, and is not counted again."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from core.errors import TransientError
from core.results import Status
from core.triggers.cloud_events import CloudEvent
from core.triggers.contents import reader_over
from core.triggers.dead_letter_topic import DeadLetterTopic
from core.triggers.pubsub import MOST_REASONS, PubSubIntake
from core.triggers.redeliveries import Redeliveries
from tests.support.instances import RRS, count
from tests.support.kubernetes_events import kubelet_event
from tests.support.pubsub_messages import MESSAGE_ID, PUBLISH_TIME, PUBLISHED, SOURCE, envelope, incident
from tests.support.scripted import TOO_LONG, refused
from tests.unit.signals.webhooks import alert, webhook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.common.resilience import Deadline

REJECTED = "gateway_signals_rejected_total"
IGNORED = "gateway_signals_ignored_total"
GOOD, BAD = alert(pod="web-1", namespace="prod"), {"labels": {"pod": 7}}
BROKEN = "alerts[1].labels.pod is 7"


class Topic:
    """A dead letter topic that can be out of order."""

    def __init__(self) -> None:
        self.broken = False
        self.closed = False
        self.published: list[tuple[bytes, Mapping[str, str]]] = []

    async def publish(self, data: bytes, attributes: Mapping[str, str], *, timeout: float) -> None:
        assert 0 < timeout <= 8
        if self.broken:
            raise TransientError("a dead letter could not be published", retry_after=5)
        self.published.append((data, attributes))

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def intake(instance: Any, topic: Topic) -> PubSubIntake:
    gateway = instance.gateway
    return PubSubIntake(
        pipeline=gateway.pipeline,
        redeliveries=Redeliveries(clock=gateway.clock),
        dead_letters=DeadLetterTopic(publisher=topic, logger=gateway.logger),
        reader=reader_over(gateway),
    )


@pytest.fixture
def send(intake: PubSubIntake, deadline: Deadline) -> Any:
    """Deliver a message; Eventarc makes a CloudEvent's id of the message's."""

    async def send(data: Any, *, event_type: str = PUBLISHED) -> Any:
        event = CloudEvent(type=event_type, source=SOURCE, id=MESSAGE_ID, data=data)
        return [result.status.value for result in await intake.receive(event, deadline=deadline)]

    return send


async def rrs(world: Any) -> Any:
    return (await world.call("GET", RRS))["items"]


class TestStoring:
    @pytest.mark.parametrize(
        ("content", "signal_type"),
        [
            (webhook(GOOD), "prometheus-alert"),
            (GOOD, "prometheus-alert"),
            (kubelet_event(), "kubernetes-event"),
            (incident(), "cloud-monitoring-incident"),
        ],
    )
    async def test_every_kind_of_message_becomes_an_rr_that_names_the_message(
        self, send, world, topic, content, signal_type
    ):
        assert await send(envelope(content)) == ["created"]
        (rr,) = await rrs(world)
        assert rr["spec"]["signalType"] == signal_type
        annotations = rr["metadata"]["annotations"]
        assert annotations["gateway.kubernaut.ai/pubsub-message-id"] == MESSAGE_ID
        assert annotations["gateway.kubernaut.ai/pubsub-publish-time"] == PUBLISH_TIME
        assert topic.published == []

    async def test_message_delivered_again_costs_no_call_and_counts_nothing(self, send, instance, world):
        await send(envelope(webhook(GOOD)))
        instance.restart()
        assert await send(envelope(webhook(GOOD))) == ["ignored"]
        assert instance.calls == []
        assert instance.metric(IGNORED, reason="redelivered") == 1
        (rr,) = await rrs(world)
        assert count(rr) == 1

    async def test_another_message_of_the_same_content_is_counted(self, send, world):
        await send(envelope(webhook(GOOD)))
        assert await send(envelope(webhook(GOOD), message_id="2")) == ["deduplicated"]
        (rr,) = await rrs(world)
        assert count(rr) == 2

    async def test_another_content_under_the_same_id_is_another_message(self, send, world):
        """Ids are the publisher's to know: one that somebody guessed keeps no message away."""
        assert await send(envelope(webhook(alert(pod="web-2", namespace="prod")))) == ["created"]
        assert await send(envelope(webhook(GOOD))) == ["created"]

    async def test_same_message_id_in_another_topic_is_another_message(self, intake, deadline, send):
        await send(envelope(webhook(GOOD)))
        event = CloudEvent(type=PUBLISHED, source="//other", id="1", data=envelope(webhook(GOOD)))
        (result,) = await intake.receive(event, deadline=deadline)
        assert result.status is Status.DEDUPLICATED

    async def test_messages_without_an_id_are_never_taken_for_each_other(self, send, instance, world):
        other = alert(pod="web-2", namespace="prod")
        instance.wire.on("LIST remediationrequests", drop=True)
        first = await send(envelope(webhook(GOOD, other), message_id=""))
        assert sorted(first) == ["created", "failed"]
        for content in (webhook(GOOD, other), webhook(GOOD, other)):
            await send(envelope(content, message_id=""))
        assert sorted(count(rr) for rr in await rrs(world)) == [2, 3]

    async def test_message_that_failed_in_part_is_stored_for_the_rest_when_it_comes_again(self, send, instance, world):
        other = alert(pod="web-2", namespace="prod")
        instance.wire.on("LIST remediationrequests", drop=True)
        assert sorted(await send(envelope(webhook(GOOD, other)))) == ["created", "failed"]
        assert await send(envelope(webhook(GOOD, other))) == ["created", "created"]
        assert [count(rr) for rr in await rrs(world)] == [1, 1]
        assert await send(envelope(webhook(GOOD, other))) == ["ignored"]

    async def test_closed_incident_is_acknowledged_and_leaves_nothing(self, send, world, topic):
        assert await send(envelope(incident(state="closed"))) == ["ignored"]
        assert await rrs(world) == []
        assert topic.published == []


class TestPoison:
    @pytest.mark.parametrize(
        "case",
        [
            (envelope(b"{"), "no_json", "message.data is b'{', no JSON"),
            (envelope({}, data="%%%"), "no_base64", "message.data is '%%%', no base64"),
            (envelope(b""), "empty", "message.data is empty"),
            (envelope({"hello": "world"}), "unknown_content", "the message is {'hello': 'world'}"),
            (envelope(BAD), "malformed_alert", "alerts[0].labels.pod is 7"),
            (envelope(incident(state=7)), "malformed_incident", "incident.state is 7"),
            (envelope(kubelet_event(involvedObject=7)), "malformed_event", "Event.involvedObject is 7"),
            ({"subscription": "s"}, "malformed_message", "data.message is None"),
            ("text", "malformed_message", "data.message is 'text'"),
            (b"\xff\xfe", "malformed_message", r"data.message is b'\xff\xfe'"),
            ({"message": {"data": 7, "note": "\ud800"}}, "malformed_message", "data.message.data is 7"),
        ],
    )
    async def test_poison_is_counted_and_put_aside_once(self, send, instance, topic, case):
        data, reason, said = case
        assert await send(data) == ["invalid"]
        ((letter, attributes),) = topic.published
        assert attributes["reason"].startswith(said)
        assert {name: attributes[name] for name in ("ce-id", "ce-type", "ce-source")} == {
            "ce-id": MESSAGE_ID,
            "ce-type": PUBLISHED,
            "ce-source": SOURCE,
        }
        assert letter
        assert instance.metric(REJECTED, reason=reason) == 1

    @pytest.mark.parametrize("content", [alert(job="x"), incident(resource=None), kubelet_event(involvedObject=None)])
    async def test_what_names_no_object_is_ignored_and_not_put_aside(self, send, instance, topic, content):
        assert await send(envelope(content)) == ["ignored"]
        assert topic.published == []
        assert instance.metric(IGNORED, reason="no_target") == 1

    async def test_poison_is_logged_in_full(self, send, caplog):
        await send(envelope({"hello": "world"}))
        (line,) = [record for record in caplog.records if "is put aside" in record.getMessage()]
        assert line.levelno == logging.ERROR
        assert "the message is {'hello': 'world'}" in line.getMessage()
        assert vars(line)["event_id"] == MESSAGE_ID
        assert vars(line)["data"] == envelope({"hello": "world"})

    async def test_poison_delivered_again_is_not_put_aside_again(self, send, instance, topic):
        assert await send(envelope(b"{")) == ["invalid"]
        assert await send(envelope(b"{")) == ["ignored"]
        assert len(topic.published) == 1
        assert instance.metric(REJECTED, reason="no_json") == 1

    async def test_other_type_of_cloud_event_is_poison(self, send, topic, instance):
        assert await send({"bucket": "b"}, event_type="google.cloud.storage.object.v1.finalized") == ["invalid"]
        ((letter, _),) = topic.published
        assert letter == b'{"bucket":"b"}'
        assert instance.metric(REJECTED, reason="unknown_type") == 1

    async def test_good_alerts_of_a_partly_poisoned_webhook_are_stored_and_the_message_is_put_aside(
        self, send, world, topic
    ):
        assert await send(envelope(webhook(GOOD, BAD))) == ["created", "invalid"]
        assert len(await rrs(world)) == 1
        ((_, attributes),) = topic.published
        assert attributes["reason"].startswith(BROKEN)

    async def test_signal_that_the_api_server_refuses_for_ever_is_put_aside(self, send, instance, topic):
        answer = refused(422, "Invalid", message="spec.severity: too long", details=TOO_LONG)
        instance.wire.on("CREATE remediationrequests", answer=answer)
        assert await send(envelope(webhook(GOOD))) == ["invalid"]
        ((_, attributes),) = topic.published
        assert "spec.severity: too long" in attributes["reason"]

    async def test_poison_without_a_topic_is_acknowledged(self, instance, deadline, caplog):
        intake = PubSubIntake.over(instance.gateway)
        event = CloudEvent(type=PUBLISHED, source=SOURCE, id=MESSAGE_ID, data=envelope(b"{"))
        (result,) = await intake.receive(event, deadline=deadline)
        assert result.status is Status.INVALID
        assert "is put aside" in caplog.text
        await intake.close()


class TestUntargeted:
    async def test_rejected_they_are_put_aside(self, world, deadline, topic):
        instance = world.instance(untargeted="reject")
        intake = PubSubIntake.over(instance.gateway)
        event = CloudEvent(type=PUBLISHED, source=SOURCE, id=MESSAGE_ID, data=envelope(webhook(GOOD, alert(job="x"))))
        results = await intake.receive(event, deadline=deadline)
        assert [(result.status, result.reason) for result in results] == [
            (Status.CREATED, ""),
            (Status.INVALID, "no_target"),
        ]
        assert instance.metric(REJECTED, reason="no_target") == 1

    async def test_their_namespace_is_the_target_where_that_is_set(self, world, deadline):
        intake = PubSubIntake.over(world.instance(untargeted="namespace").gateway)
        data = envelope(webhook(alert(job="x", namespace="shop")))
        event = CloudEvent(type=PUBLISHED, source=SOURCE, id=MESSAGE_ID, data=data)
        (result,) = await intake.receive(event, deadline=deadline)
        assert result.status is Status.CREATED
        (rr,) = await rrs(world)
        assert rr["spec"]["targetResource"] == {"kind": "Namespace", "name": "shop", "apiVersion": "v1"}


class TestLargeMessages:
    """A message that kills an instance is a pill: nobody acknowledges it, and it comes again for ever."""

    async def test_message_of_too_many_alerts_is_put_aside_whole(self, send, instance, topic):
        many = {"alerts": [0] * 10_001}
        assert await send(envelope(many)) == ["invalid"]
        ((letter, attributes),) = topic.published
        assert attributes["reason"].startswith("alerts has 10001 entries, the limit is 10000; split the group")
        assert json.loads(letter) == envelope(many)
        assert instance.metric(REJECTED, reason="too_many_alerts") == 1

    async def test_many_broken_alerts_are_put_aside_with_few_words(self, send, topic, caplog):
        caplog.set_level(logging.INFO)
        assert await send(envelope({"alerts": [0] * 1000})) == ["invalid"] * 1000
        (line,) = [record for record in caplog.records if "is put aside" in record.getMessage()]
        assert line.getMessage().endswith(f"and {1000 - MOST_REASONS} more")
        assert len(line.getMessage()) < 5000
        assert len(caplog.records) < 20
        assert len(topic.published) == 1


class TestTopicOutOfOrder:
    async def test_poison_that_cannot_be_put_aside_comes_again(self, send, topic):
        topic.broken = True
        with pytest.raises(TransientError):
            await send(envelope(b"{"))
        topic.broken = False
        assert await send(envelope(b"{")) == ["invalid"]
        assert len(topic.published) == 1

    async def test_stored_alerts_are_not_counted_again_when_only_the_letter_is_owed(self, send, instance, world, topic):
        topic.broken = True
        for _ in range(3):
            with pytest.raises(TransientError):
                await send(envelope(webhook(GOOD, BAD)))
        (rr,) = await rrs(world)
        assert count(rr) == 1

        topic.broken = False
        assert await send(envelope(webhook(GOOD, BAD))) == ["ignored"]
        ((_, attributes),) = topic.published
        assert attributes["reason"].startswith(BROKEN)
        assert await send(envelope(webhook(GOOD, BAD))) == ["ignored"]
        assert len(topic.published) == 1
        assert instance.metric(REJECTED, reason="malformed_alert") == 1

    async def test_poison_waits_until_its_neighbours_are_stored(self, send, instance, topic):
        instance.wire.on("LIST remediationrequests", drop=True)
        assert await send(envelope(webhook(GOOD, BAD))) == ["failed", "invalid"]
        assert topic.published == []
        assert await send(envelope(webhook(GOOD, BAD))) == ["created", "invalid"]
        assert len(topic.published) == 1


async def test_closing_closes_the_topic(intake, topic):
    await intake.close()
    assert topic.closed

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PayloadError
from core.signals.pubsub import (
    MESSAGE_ID_ANNOTATION,
    PUBLISH_TIME_ANNOTATION,
    ContentReader,
    PubSubMessage,
    open_message,
)
from core.signals.signal import Batch, Ignored, NormalizedSignal, Poison
from tests.support.kubernetes_events import MOMENT, kubelet_event, scheduler_event
from tests.support.pubsub_messages import MESSAGE_ID, PUBLISH_TIME, PUBLISHED, envelope, incident
from tests.unit.signals.webhooks import alert, only_ignored, only_signal, webhook

PROVENANCE = {MESSAGE_ID_ANNOTATION: MESSAGE_ID, PUBLISH_TIME_ANNOTATION: PUBLISH_TIME}


def read_bytes(content: bytes) -> Batch:
    reader = ContentReader(received_time=MOMENT, signal_type="prometheus-alert", event_max_age=300.0)
    return reader.read(content, provenance=PROVENANCE)


def read(content: object) -> Batch:
    return read_bytes(json.dumps(content).encode())


def opened(**message: Any) -> PubSubMessage:
    return open_message(PUBLISHED, envelope({}, **message))


def refused(call: Any, *given: Any) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        call(*given)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    return caught.value


class TestMessages:
    def test_message_of_eventarc_is_opened(self):
        message = open_message(PUBLISHED, envelope({"a": 1}))
        assert message.content() == b'{"a": 1}'
        assert message.attributes == {"origin": "test"}
        assert message.provenance == PROVENANCE

    def test_message_without_id_and_time_leaves_no_trace(self):
        assert open_message(PUBLISHED, {"message": {"data": "e30="}}).provenance == {}

    @pytest.mark.parametrize("event_type", ["", "google.cloud.pubsub.topic.v1.messagePublished.v2", "com.example"])
    def test_other_type_is_refused(self, event_type):
        error = refused(open_message, event_type, envelope({}))
        assert (error.reason, error.field) == ("unknown_type", "type")
        assert PUBLISHED in str(error)

    @pytest.mark.parametrize("data", [None, [], "text", b"\xff", 7, {}, {"message": None}, {"message": "x"}])
    def test_missing_message_is_refused(self, data):
        error = refused(open_message, PUBLISHED, data)
        assert (error.reason, error.field) == ("malformed_message", "data.message")

    @pytest.mark.parametrize(
        ("part", "field"),
        [
            ({"data": {"alerts": []}}, "data.message.data"),
            ({"attributes": {"a": 1}}, "data.message.attributes.a"),
            ({"attributes": {"a\nb": 1}}, r"data.message.attributes.'a\nb'"),
            ({"messageId": 7}, "data.message.messageId"),
            ({"publishTime": 7}, "data.message.publishTime"),
        ],
    )
    def test_field_of_another_type_is_named(self, part, field):
        assert refused(lambda: opened(**part)).field == field

    def test_message_of_attributes_only_is_empty(self):
        body = envelope({})
        del body["message"]["data"]
        assert refused(open_message(PUBLISHED, body).content).reason == "empty"

    def test_empty_data_is_refused(self):
        assert refused(opened(data="").content).reason == "empty"

    @pytest.mark.parametrize("data", ["{}", "e30", "e30=e30=", "e3 0=", "é", "\ud800", "-_8="])
    def test_data_that_is_no_base64_is_refused(self, data):
        error = refused(opened(data=data).content)
        assert (error.reason, error.field) == ("no_base64", "message.data")


class TestContents:
    def test_webhook_is_read_alert_by_alert(self):
        batch = read(webhook(alert(pod="web-1", namespace="prod"), alert(job="x"), alert(status="resolved")))
        assert batch.source == "alertmanager"
        assert [type(entry) for entry in batch.entries] == [NormalizedSignal, Ignored, Ignored]

    def test_cut_off_alerts_of_a_webhook_are_counted(self):
        assert read(webhook(alert(), truncatedAlerts=3)).truncated == 3

    def test_single_firing_alert_is_a_signal(self):
        batch = read(alert(pod="web-1", namespace="prod"))
        found = only_signal(batch)
        assert (found.signal_type, found.signal_source) == ("prometheus-alert", "alertmanager")
        assert json.loads(found.payload())["alerts"] == [alert(pod="web-1", namespace="prod")]
        assert list(batch.warnings) == []

    def test_single_alert_with_a_number_json_has_no_word_for_is_one_too(self):
        body = json.dumps(alert() | {"value": "NUMBER"}).replace('"NUMBER"', "1e400").encode()
        kept = json.loads(only_signal(read_bytes(body)).payload(), parse_constant=pytest.fail)
        assert kept["alerts"][0]["value"] == "Infinity"

    def test_single_resolved_alert_asks_for_nothing(self):
        assert read(alert(status="resolved")).entries[:] == [Ignored("resolved")]

    def test_single_alert_without_a_target_is_ignored(self):
        assert only_ignored(read(alert(job="x"))).reason == "no_target"

    @pytest.mark.parametrize("event", [kubelet_event(), scheduler_event()], ids=["core", "new"])
    def test_kubernetes_event_is_a_signal(self, event):
        batch = read(event)
        assert batch.source == "kubernetes-events"
        assert only_signal(batch).severity == "Warning"

    def test_old_kubernetes_event_is_ignored(self):
        assert read(kubelet_event(lastTimestamp="2026-01-01T03:04:05Z")).entries[:] == [Ignored("old_event")]

    def test_kubernetes_event_about_nothing_is_ignored(self):
        event = kubelet_event()
        del event["involvedObject"]
        assert only_ignored(read(event)).reason == "no_target"

    def test_incident_is_a_signal(self):
        batch = read(incident())
        assert batch.source == "cloud-monitoring"
        assert only_signal(batch).signal_name == "Memory is short"

    def test_closed_incident_asks_for_nothing(self):
        assert read(incident(state="closed")).entries[:] == [Ignored("resolved")]

    @pytest.mark.parametrize(
        "content", [alert(pod="web-1", namespace="prod"), webhook(alert()), kubelet_event(), incident()]
    )
    def test_every_signal_says_which_message_it_came_in(self, content):
        assert only_signal(read(content)).provenance == PROVENANCE


class TestPoison:
    @pytest.mark.parametrize(
        "content", [{}, {"hello": "world"}, {"kind": "Pod", "apiVersion": "v1"}, {"message": {"data": "e30="}}]
    )
    def test_unknown_content_is_refused_with_what_is_known(self, content):
        error = refused(read, content)
        assert (error.reason, error.field) == ("unknown_content", "message.data")
        assert "an Alertmanager webhook (alerts)" in str(error)

    @pytest.mark.parametrize("content", [[], [alert()], "text", 7, None, True])
    def test_content_that_is_no_object_is_refused(self, content):
        assert refused(read, content).reason == "no_object"

    @pytest.mark.parametrize(
        "content",
        [b"{", b"alerts", b"\xff", b'{"labels": {"pod": "\\ud800"}}', b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"],
    )
    def test_content_that_is_no_json_is_refused(self, content):
        assert refused(read_bytes, content).reason == "no_json"

    def test_webhook_whose_alerts_are_no_list_is_refused(self):
        assert refused(read, {"alerts": {"a": 1}}).reason == "no_alerts"

    def test_half_a_surrogate_pair_poisons_only_its_own_alert_of_a_webhook(self):
        good, bad = read(webhook(alert(), alert(pod="web-2", namespace="prod", note="\ud800"))).entries
        assert isinstance(good, NormalizedSignal)
        assert isinstance(bad, Poison)
        assert bad.reason == "encoding"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
CONTENTS = st.dictionaries(
    st.sampled_from(["alerts", "labels", "incident", "involvedObject", "kind", "type", "status"]), JSON, max_size=4
)


class TestAnything:
    @given(st.binary(max_size=100) | (CONTENTS | JSON).map(lambda value: json.dumps(value).encode()))
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_any_content_is_read_or_refused(self, content):
        with suppress(PayloadError):
            assert read_bytes(content).source in ("alertmanager", "kubernetes-events", "cloud-monitoring")

    @given(JSON | st.fixed_dictionaries({"message": st.dictionaries(st.sampled_from(["data", "messageId"]), JSON)}))
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_any_envelope_is_opened_or_refused(self, data):
        with suppress(PayloadError):
            assert open_message(PUBLISHED, data).content()

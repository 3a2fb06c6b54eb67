import base64
import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PayloadError, PayloadTooLargeError
from core.signals.alertmanager import MAX_ALERTS, decode_alertmanager
from core.signals.rules import rules_in
from core.signals.signal import TEXTS, Batch, Ignored, NormalizedSignal, Poison, TargetResource, fingerprint_of
from tests.unit.signals.webhooks import (
    RECEIVED,
    alert,
    decode,
    decode_body,
    only_ignored,
    only_poison,
    only_signal,
    webhook,
)

POD = {"pod": "web-1", "namespace": "prod"}


def only_ended(batch: Batch) -> Any:
    """The signal that has ended, of a batch of one resolved alert."""
    (entry,) = batch.entries
    assert isinstance(entry, Ignored)
    return entry.ended


class TestSignals:
    def test_firing_alert_becomes_a_signal(self):
        signal = only_signal(decode(alert(**POD, team="shop")))
        assert signal.signal_name == "HighMemoryUsage"
        assert signal.severity == "critical"
        assert signal.signal_type == "prometheus-alert"
        assert signal.signal_source == "alertmanager"
        assert signal.target == TargetResource(kind="Pod", name="web-1", namespace="prod", api_version="v1")
        assert signal.labels["team"] == "shop"
        assert signal.annotations == {"summary": "too much"}
        assert signal.firing_time == datetime(2026, 1, 2, 3, tzinfo=UTC)
        assert signal.received_time == RECEIVED

    def test_fingerprint_is_the_hash_of_namespace_kind_and_name(self):
        signal = only_signal(decode(alert(**POD)))
        assert signal.fingerprint == hashlib.sha256(b"prod:Pod:web-1").hexdigest()

    def test_cluster_label_is_part_of_the_fingerprint(self):
        signal = only_signal(decode(alert(**POD, cluster="eu-1")))
        assert signal.fingerprint == hashlib.sha256(b"eu-1:prod:Pod:web-1").hexdigest()
        assert signal.cluster_id == "eu-1"

    @pytest.mark.parametrize(
        ("labels", "cluster"),
        [
            ({"k8s_cluster_name": "east"}, "east"),
            ({"cluster": "", "k8s_cluster_name": "east"}, "east"),
            ({"cluster": "west", "k8s_cluster_name": "east"}, "west"),
            ({"dc": "south"}, ""),
        ],
    )
    def test_first_of_the_labels_that_name_a_cluster_counts(self, labels, cluster):
        body = json.dumps({"version": "4", "alerts": [alert(**POD, **labels)]}).encode()
        (signal,) = decode_alertmanager(
            body, received_time=RECEIVED, signal_type="alert", cluster_labels=["cluster", "k8s_cluster_name"]
        ).entries
        assert isinstance(signal, NormalizedSignal)
        assert signal.cluster_id == cluster

    def test_rule_decides_before_the_labels(self, tmp_path):
        (tmp_path / "rules.yaml").write_text("rules: [{name: here, match: 'cluster=west', cluster: ''}]")
        body = json.dumps({"version": "4", "alerts": [alert(**POD, cluster="west", dc="east")]}).encode()
        (signal,) = decode_alertmanager(
            body,
            received_time=RECEIVED,
            signal_type="alert",
            cluster_labels=["dc", "cluster"],
            rules=rules_in(str(tmp_path / "rules.yaml")),
        ).entries
        assert isinstance(signal, NormalizedSignal)
        assert signal.cluster_id == ""

    def test_different_alerts_on_one_workload_share_a_fingerprint(self):
        first, second = decode(alert(**POD), alert(**POD, alertname="Slow")).entries
        assert isinstance(first, NormalizedSignal)
        assert isinstance(second, NormalizedSignal)
        assert first.fingerprint == second.fingerprint

    def test_namespace_free_target_hashes_with_an_empty_namespace(self):
        node = TargetResource(kind="Node", name="n1")
        assert fingerprint_of(node) == hashlib.sha256(b":Node:n1").hexdigest()

    def test_environment_and_priority_come_from_labels_where_they_are(self):
        signal = only_signal(decode(alert(**POD, environment="prod", priority="P0")))
        assert (signal.environment, signal.priority) == ("prod", "P0")

    def test_alert_without_name_or_severity_is_still_a_signal(self):
        bare = {"status": "firing", "labels": dict(POD)}
        signal = only_signal(decode(bare))
        assert (signal.signal_name, signal.severity) == ("unknown", "unknown")

    def test_long_values_are_cut_to_the_limits_of_the_resource(self):
        signal = only_signal(decode(alert(**POD, alertname="é" * 300, severity="s" * 60, cluster="c" * 300)))
        assert len(signal.signal_name.encode()) <= 253
        assert len(signal.severity) == 50
        assert len(signal.cluster_id) == 253


class TestFiringTime:
    @pytest.mark.parametrize(
        ("starts_at", "expected"),
        [
            ("2026-01-02T03:00:00.123456789Z", datetime(2026, 1, 2, 3, 0, 0, 123456, tzinfo=UTC)),
            ("2026-01-02T05:00:00+02:00", datetime(2026, 1, 2, 3, tzinfo=UTC)),
            ("2026-01-02T05:00:00.5+02:00", datetime(2026, 1, 2, 3, 0, 0, 500000, tzinfo=UTC)),
        ],
    )
    def test_time_with_nanoseconds_or_zone_is_read(self, starts_at, expected):
        assert only_signal(decode({**alert(**POD), "startsAt": starts_at})).firing_time == expected

    @pytest.mark.parametrize(
        "starts_at",
        [None, "", "yesterday", "0001-01-01T00:00:00Z", "2026-01-02T03:00:00", 1767322800, "9999-12-31T23:59:59-23:00"],
    )
    def test_time_that_cannot_be_used_falls_back_to_the_arrival(self, starts_at):
        assert only_signal(decode({**alert(**POD), "startsAt": starts_at})).firing_time == RECEIVED

    def test_missing_time_falls_back_to_the_arrival(self):
        bare = alert(**POD)
        del bare["startsAt"]
        assert only_signal(decode(bare)).firing_time == RECEIVED

    def test_received_time_may_have_any_zone(self):
        moved = RECEIVED.astimezone(timezone(timedelta(hours=5)))
        assert only_signal(decode(alert(**POD))).received_time == moved


class TestPayload:
    def test_payload_is_the_webhook_reduced_to_the_one_alert(self):
        first, second = alert(**POD), alert(pod="web-2", namespace="prod")
        batch = decode(first, second)
        entry = batch.entries[1]
        assert isinstance(entry, NormalizedSignal)
        assert json.loads(entry.payload()) == webhook(second)

    def test_unknown_and_newer_fields_are_kept(self):
        raw = {**alert(**POD), "newField": {"deep": [1, 2.5, None]}}
        signal = only_signal(decode(raw, routeLabels={"team": "a"}, extra=[1]))
        kept = json.loads(signal.payload())
        assert kept["notification_reason"] == "first notification"
        assert kept["routeLabels"] == {"team": "a"}
        assert kept["alerts"][0]["newField"] == {"deep": [1, 2.5, None]}

    def test_payload_of_a_bare_list_of_alerts_is_json_too(self):
        signal = only_signal(decode_body(json.dumps({"alerts": [alert(**POD)]}).encode()))
        assert json.loads(signal.payload()) == {"alerts": [alert(**POD)]}


class TestStates:
    def test_resolved_alert_asks_for_nothing(self):
        assert decode(alert(status="resolved", **POD)).entries[:] == [Ignored("resolved")]

    def test_resolved_alert_is_the_one_that_fired(self):
        fired = only_signal(decode(alert(**POD)))
        over = only_ended(decode({**alert(status="resolved", **POD), "endsAt": "2026-01-02T04:00:00Z"}))
        assert fired.alert
        assert over == replace(fired, resolved=True, payload=over.payload)

    def test_alerts_differ_by_their_labels_and_not_by_what_a_sender_says(self):
        ids = [
            only_signal(decode(each)).alert
            for each in (alert(**POD), {**alert(**POD), "fingerprint": "other"}, alert(**POD, container="web"))
        ]
        assert ids[0] == ids[1] != ids[2]
        assert len(ids[0]) == 16

    def test_resolved_alert_about_nothing_ends_nothing(self):
        assert only_ended(decode(alert(status="resolved", job="x"))) is None

    def test_resolved_alert_needs_no_target(self):
        assert decode(alert(status="resolved", job="x")).entries[:] == [Ignored("resolved")]

    def test_alert_without_status_has_that_of_its_group(self):
        bare = alert(**POD)
        del bare["status"]
        assert decode(bare, status="resolved").entries[:] == [Ignored("resolved")]
        only_signal(decode(bare, status="firing"))

    def test_firing_alert_in_a_resolved_group_still_fires(self):
        only_signal(decode(alert(**POD), status="resolved"))

    def test_webhook_without_alerts_is_an_empty_batch(self):
        assert list(decode().entries) == []


class TestEnvelope:
    def test_truncated_alerts_are_counted(self):
        assert decode(alert(**POD), truncatedAlerts=7).truncated == 7

    @pytest.mark.parametrize("count", [0, None, -3, True])
    def test_no_truncation_is_zero(self, count):
        assert decode(truncatedAlerts=count).truncated == 0

    def test_truncation_that_is_no_number_is_warned_about(self):
        batch = decode(truncatedAlerts="many")
        assert batch.truncated == 0
        assert "truncatedAlerts is 'many'" in batch.warnings[0]

    def test_version_4_has_no_warning(self):
        assert list(decode(alert(**POD)).warnings) == []

    def test_webhook_of_grafana_is_taken_as_it_is(self):
        raw = alert(**POD, grafana_folder="shop", rulename="memory") | {
            "values": {"A": 0.97, "B": None},
            "valueString": "[ var='A' labels={pod=web-1} value=0.97 ]",
            "silenceURL": "https://grafana.example.com/alerting/silence/new",
            "dashboardURL": "",
            "panelURL": "",
            "imageURL": "",
            "orgId": 1,
        }
        batch = decode(raw, version="1", orgId=1, title="[FIRING:1]", state="alerting", message="**Firing**")
        assert list(batch.warnings) == []
        assert only_signal(batch).target.name == "web-1"

    @pytest.mark.parametrize("version", ["5", 4, 1, None])
    def test_other_version_with_usable_alerts_is_taken_with_a_warning(self, version):
        batch = decode(alert(**POD), version=version)
        only_signal(batch)
        assert "version" in batch.warnings[0]


class TestNoTarget:
    """Well-formed but not ours: such an alert is no error, whatever group it comes in."""

    @pytest.mark.parametrize(
        ("labels", "said"),
        [
            ({"alertname": "Quiet"}, "no label names a target"),
            ({"job": "x"}, "no label names a target"),
            ({"pod": "web-1"}, "names a target but no label its namespace"),
            ({"pod": "my pod", "namespace": "prod"}, "pod='my pod'"),
            ({"pod": "web-1", "namespace": "Prod"}, "namespace='Prod' is no Kubernetes namespace"),
        ],
    )
    def test_alert_that_names_no_object_is_ignored_and_says_why(self, labels, said):
        ignored = only_ignored(decode(alert(**{"alertname": "Quiet"} | labels)))
        assert ignored.reason == "no_target"
        assert said in ignored.message
        assert ignored.signal_name == labels.get("alertname", "Quiet")

    def test_contact_point_test_of_grafana_is_ignored(self):
        raw = {"status": "firing", "labels": {"alertname": "TestAlert", "instance": "Grafana"}, "annotations": {}}
        ignored = only_ignored(decode(raw, version="1"))
        assert (ignored.reason, ignored.signal_name) == ("no_target", "TestAlert")

    def test_very_long_name_of_such_an_alert_is_cut(self):
        assert len(only_ignored(decode(alert(alertname="n" * 10_000, job="x"))).signal_name) == 253


class TestAnnotations:
    @pytest.mark.parametrize("broken", [3, 2.5, True, None, [], {}])
    def test_annotation_that_is_no_text_is_dropped(self, broken):
        signal = only_signal(decode(alert(**POD) | {"annotations": {"value": broken, "summary": "x"}}))
        assert signal.annotations == {"summary": "x"}
        assert json.loads(signal.payload())["alerts"][0]["annotations"] == {"value": broken, "summary": "x"}

    @pytest.mark.parametrize("annotations", [None, [], "text", 7])
    def test_annotations_that_are_no_object_are_none(self, annotations):
        assert only_signal(decode(alert(**POD) | {"annotations": annotations})).annotations == {}


class TestLargeAlerts:
    """Every field that is copied into an RR is bounded; cut, never refused."""

    def size(self, raw: Any, **envelope: Any) -> int:
        signal = only_signal(decode(raw, **envelope))
        texts = [signal.labels, signal.annotations]
        fields = [signal.signal_name, signal.severity, signal.cluster_id, signal.environment, signal.priority]
        return sum(map(len, fields)) + len(json.dumps(texts)) + len(signal.payload())

    @pytest.mark.parametrize("label", ["alertname", "severity", "cluster", "environment", "priority", "note"])
    def test_label_of_megabytes_is_cut_wherever_it_goes(self, label):
        assert self.size(alert(**POD | {label: "x" * 2_000_000})) < 60_000

    @pytest.mark.parametrize("size", [200_000, 700_000])
    def test_annotations_of_a_group_are_cut_in_every_payload(self, size):
        huge = {"description": "x" * size, "summary": "short"}
        raw = alert(**POD) | {"annotations": huge}
        assert self.size(raw, commonAnnotations=huge) < 60_000
        payload = json.loads(only_signal(decode(raw, commonAnnotations=huge)).payload())
        assert payload["commonAnnotations"]["summary"] == payload["alerts"][0]["annotations"]["summary"] == "short"
        assert payload["alerts"][0]["annotations"]["description"].endswith(f"… (cut, {size} characters)")
        assert payload["alerts"][0]["labels"] == raw["labels"]

    @pytest.mark.parametrize(
        "field",
        [
            {f"key-{number}": "x" for number in range(100_000)},
            {"k" * 1_000_000: "x"},
            ["x" * 100] * 10_000,
            [[[["x" * 100] * 20] * 20] * 20] * 20,
            {"deep": json.loads("[" * 150 + '"' + "x" * 100_000 + '"' + "]" * 150)},
            [10**4000] * 100,
        ],
        ids=["many keys", "long key", "long list", "wide and deep", "deep", "long numbers"],
    )
    def test_any_other_field_is_cut_too(self, field):
        assert self.size(alert(**POD) | {"newer": field}) < 60_000
        assert self.size(alert(**POD), newer=field) < 60_000

    def test_labels_and_annotations_are_bounded_in_number(self):
        many = {f"label-{number}": "x" for number in range(10_000)}
        raw = alert(**POD | many) | {"annotations": many}
        signal = only_signal(decode(raw))
        assert (len(signal.labels), len(signal.annotations)) == (TEXTS, TEXTS)
        assert signal.target.name == "web-1"
        assert self.size(raw) < 60_000

    def test_what_is_of_usual_size_is_kept_whole(self):
        raw = alert(**POD) | {"annotations": {"description": "ä" * 2000, "summary": "s"}}
        signal = only_signal(decode(raw, commonAnnotations={"summary": "s"}))
        assert json.loads(signal.payload()) == webhook(raw, commonAnnotations={"summary": "s"})
        assert signal.annotations == raw["annotations"]
        assert signal.labels == raw["labels"]


class TestManyAlerts:
    def test_body_of_more_alerts_than_allowed_is_refused_before_any_is_read(self):
        with pytest.raises(PayloadTooLargeError) as refused:
            decode_body(b'{"alerts":[' + b"0," * MAX_ALERTS + b"0]}")
        assert refused.value.status == 413
        assert str(refused.value).startswith(f"alerts has {MAX_ALERTS + 1} entries, the limit is {MAX_ALERTS}; split")

    def test_alert_is_read_when_it_is_asked_for(self):
        entries = decode_body(b'{"alerts":[' + b"0," * (MAX_ALERTS - 1) + b"0]}").entries
        assert len(entries) == MAX_ALERTS
        assert [entry.message for entry in entries[1:3] if isinstance(entry, Poison)] == [
            "alerts[1] is 0: Input should be a valid dictionary",
            "alerts[2] is 0: Input should be a valid dictionary",
        ]


class TestPoison:
    def test_poison_stands_in_its_place_and_blocks_nobody(self):
        entries = decode(alert(**POD), "nonsense", alert(job="x"), alert(**POD)).entries
        assert [type(entry).__name__ for entry in entries] == [
            "NormalizedSignal",
            "Poison",
            "Ignored",
            "NormalizedSignal",
        ]

    @pytest.mark.parametrize(
        ("broken", "field"),
        [
            (None, "alerts[0]"),
            ([], "alerts[0]"),
            (7, "alerts[0]"),
            ({}, "alerts[0].labels"),
            ({"labels": []}, "alerts[0].labels"),
            ({"labels": {"pod": 7}}, "alerts[0].labels.pod"),
            ({"labels": {"pod": None}}, "alerts[0].labels.pod"),
            ({"labels": dict(POD), "status": "dying"}, "alerts[0].status"),
        ],
    )
    def test_broken_alert_is_named_by_its_field(self, broken, field):
        poison = only_poison(decode(broken))
        assert poison.reason == "malformed_alert"
        assert poison.message.startswith(f"{field} is ")

    def test_value_in_the_message_is_short(self):
        assert len(only_poison(decode({"labels": "x" * 10_000})).message) < 300

    @pytest.mark.parametrize("label", ["k" * 10_000, "a\nb", "\x1b[31m"])
    def test_label_in_the_message_is_short_and_on_one_line(self, label):
        message = only_poison(decode({"labels": {label: 1}})).message
        assert message.isprintable()
        assert len(message) < 300

    def test_half_a_surrogate_pair_poisons_only_its_own_alert(self):
        body = json.dumps(webhook(alert(**POD), alert(**POD, note="\ud800"))).encode()
        first, second = decode_body(body).entries
        assert isinstance(first, NormalizedSignal)
        assert isinstance(second, Poison)
        assert second.reason == "encoding"

    def test_nul_in_a_name_names_nothing_and_elsewhere_is_text(self):
        assert only_ignored(decode(alert(pod="web\0", namespace="prod"))).reason == "no_target"
        assert only_signal(decode(alert(**POD, note="a\0b"))).labels["note"] == "a\0b"


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "no_json"),
            (b"{", "no_json"),
            (b"alerts", "no_json"),
            (b'{"alerts": [}', "no_json"),
            (b'{"alerts": ["\xff"]}', "no_json"),
            (b"[" * 100_000 + b"]" * 100_000, "no_json"),
            (b'{"alerts": ' + b"9" * 5000 + b"}", "no_json"),
            (b"[]", "no_object"),
            (b"7", "no_object"),
            (b"null", "no_object"),
            (b"{}", "no_alerts"),
            (b'{"alerts": null}', "no_alerts"),
            (b'{"alerts": {"a": 1}}', "no_alerts"),
            (b'{"receiver": "\\ud800", "alerts": []}', "encoding"),
        ],
    )
    def test_body_that_can_never_work_is_refused_with_a_short_sentence(self, body, reason):
        with pytest.raises(PayloadError) as caught:
            decode_body(body)
        assert caught.value.reason == reason
        assert len(str(caught.value)) < 300

    @pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN"])
    def test_number_that_no_float_holds_leaves_a_payload_that_is_json(self, number):
        raw = {**alert(**POD), "value": "NUMBER"}
        body = json.dumps(webhook(raw, value="NUMBER")).replace('"NUMBER"', number).encode()
        kept = json.loads(only_signal(decode_body(body)).payload(), parse_constant=pytest.fail)
        assert kept["value"] == kept["alerts"][0]["value"]
        assert kept["value"] in ("Infinity", "-Infinity", "NaN")

    def test_integer_of_many_digits_is_kept(self):
        raw = {**alert(**POD), "value": 10**400}
        assert json.loads(only_signal(decode(raw)).payload())["alerts"][0]["value"] == 10**400

    def test_deep_field_is_kept_or_refused_but_never_crashes(self):
        deep = b'{"a":' * 150 + b"1" + b"}" * 150
        body = b'{"alerts": [{"labels": {"pod": "web-1", "namespace": "prod"}, "deep": ' + deep + b"}]}"
        assert json.loads(only_signal(decode_body(body)).payload())

    def test_byte_order_mark_does_no_harm(self):
        only_signal(decode_body(b"\xef\xbb\xbf" + json.dumps(webhook(alert(**POD))).encode()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=10,
)
LABELS = st.dictionaries(st.sampled_from(["pod", "namespace", "job", "deployment", "node", "uid"]), st.text(max_size=9))
ALERTS = st.lists(JSON | st.fixed_dictionaries({"labels": LABELS | JSON}, optional={"status": JSON, "startsAt": JSON}))


class TestAnything:
    @given(ALERTS)
    @settings(derandomize=True, max_examples=200, deadline=None)
    def test_every_alert_has_exactly_one_entry_in_its_place(self, alerts):
        assert len(decode_body(json.dumps({"alerts": alerts}).encode()).entries) == len(alerts)

    @given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
    @settings(derandomize=True, max_examples=200, deadline=None)
    def test_any_body_is_decoded_or_refused(self, body):
        with suppress(PayloadError):
            assert decode_body(body).source == "alertmanager"

    @given(ALERTS)
    @settings(derandomize=True, max_examples=100, deadline=None)
    def test_every_signal_has_a_payload_that_is_json(self, alerts):
        for entry in decode_body(json.dumps({"alerts": alerts}).encode()).entries:
            if isinstance(entry, NormalizedSignal):
                assert base64.b64encode(entry.payload())
                assert "alerts" in json.loads(entry.payload(), parse_constant=pytest.fail)

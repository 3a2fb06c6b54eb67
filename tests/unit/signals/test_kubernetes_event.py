import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from core.errors import PayloadError
from core.signals.kubernetes_event import EventReader, EventReference, occurrence_of, open_cloud_event
from core.signals.rules_file import read_rules
from core.signals.signal import Entry, Ignored, NormalizedSignal, Poison, TargetResource, fingerprint_of
from tests.support.kubernetes_events import (
    MOMENT,
    POD,
    POD_UID,
    controller_event,
    kubelet_event,
    metadata,
    node_event,
    reference,
    scheduler_event,
)

ADD, UPDATE = "dev.knative.apiserver.resource.add", "dev.knative.apiserver.resource.update"
REF_ADD, REF_UPDATE = "dev.knative.apiserver.ref.add", "dev.knative.apiserver.ref.update"
MAX_AGE = 300.0


def read(event: dict[str, Any], *, later: float = 0.0) -> Entry:
    """Read an Event `later` seconds after its last time."""
    return EventReader(MOMENT + timedelta(seconds=later), MAX_AGE).read(event)


def signal(event: dict[str, Any], *, later: float = 0.0) -> NormalizedSignal:
    entry = read(event, later=later)
    assert isinstance(entry, NormalizedSignal), entry
    return entry


def ignored(body: dict[str, Any]) -> Ignored:
    entry = read(body)
    assert isinstance(entry, Ignored), entry
    return entry


def poison(event: dict[str, Any]) -> Poison:
    entry = read(event)
    assert isinstance(entry, Poison), entry
    assert entry.message.isprintable()
    assert len(entry.message) < 500
    return entry


def refused(event_type: str, data: object) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        open_cloud_event(event_type, data)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    return caught.value


class TestSignals:
    def test_kubelets_event_of_core_v1_is_a_signal_about_the_pod(self):
        found = signal(kubelet_event(), later=2)
        assert found.signal_name == "BackOff"
        assert found.severity == "Warning"
        assert found.signal_type == "kubernetes-event"
        assert found.signal_source == "kubernetes-events"
        assert found.target == TargetResource(kind="Pod", name=POD, namespace="prod", api_version="v1")
        assert found.target.uid == POD_UID
        assert found.fingerprint == fingerprint_of(found.target)
        assert found.firing_time == datetime(2026, 1, 2, 2, 58, 5, tzinfo=UTC)
        assert found.received_time == MOMENT + timedelta(seconds=2)
        assert found.annotations["message"].startswith("Back-off restarting failed container web")
        assert found.labels == {
            "reason": "BackOff",
            "type": "Warning",
            "kind": "Pod",
            "name": POD,
            "namespace": "prod",
            "component": "kubelet",
            "field_path": "spec.containers{web}",
        }

    def test_exporter_of_many_clusters_names_the_one_it_speaks_of(self):
        found = signal(kubelet_event(clusterName="east"))
        assert (found.cluster_id, found.fingerprint) == ("east", fingerprint_of(found.target, cluster="east"))
        assert (
            signal(kubelet_event(clusterName="")).cluster_id == signal(kubelet_event(clusterName=None)).cluster_id == ""
        )

    def test_rule_says_another_cluster_than_the_exporter(self):
        rules = read_rules("rules: [{name: x, match: 'kind=Pod', cluster: ''}]", where="x")
        found = EventReader(MOMENT, MAX_AGE, rules).read(kubelet_event(clusterName="east"))
        assert isinstance(found, NormalizedSignal)
        assert found.cluster_id == ""

    def test_schedulers_event_of_events_k8s_io_is_one_too(self):
        found = signal(scheduler_event(), later=2)
        assert (found.signal_name, found.severity) == ("FailedScheduling", "Warning")
        assert found.target == TargetResource(kind="Pod", name=POD, namespace="prod", api_version="v1")
        assert found.target.uid == POD_UID
        assert found.annotations == {"message": "0/3 nodes are available: 3 Insufficient memory."}
        assert found.labels["component"] == "default-scheduler"
        assert found.firing_time == MOMENT - timedelta(minutes=4)

    def test_both_versions_and_all_reporters_mean_the_same_problem(self):
        found = {signal(event).fingerprint for event in (kubelet_event(), scheduler_event(), controller_event())}
        assert len(found) == 1

    def test_reporter_without_a_field_path_leaves_none(self):
        found = signal(controller_event())
        assert found.labels["component"] == "node-controller"
        assert "field_path" not in found.labels

    def test_event_about_a_node_has_no_namespace(self):
        found = signal(node_event())
        assert found.target == TargetResource(kind="Node", name="node-1")
        assert found.target.uid == "node-1"
        assert found.fingerprint == fingerprint_of(TargetResource(kind="Node", name="node-1"))
        assert "namespace" not in found.labels

    def test_api_version_of_the_object_is_carried_not_that_of_the_event(self):
        about = {"kind": "Rollout", "namespace": "prod", "name": "web", "apiVersion": "argoproj.io/v1alpha1"}
        assert signal(kubelet_event(involvedObject=about)).target.api_version == "argoproj.io/v1alpha1"

    def test_error_is_a_signal_as_well(self):
        assert signal(kubelet_event(type="Error")).severity == "Error"

    @pytest.mark.parametrize("kind", ["Normal", "", None, "warning"])
    def test_all_other_types_are_ignored(self, kind):
        assert read(kubelet_event(type=kind)) == Ignored("normal_event")

    def test_event_without_a_type_is_ignored(self):
        event = kubelet_event()
        del event["type"]
        assert read(event) == Ignored("normal_event")

    def test_normal_event_needs_no_target(self):
        assert read(kubelet_event(type="Normal", involvedObject=None)) == Ignored("normal_event")

    @pytest.mark.parametrize("reason", ["", None])
    def test_event_without_a_reason_is_still_a_signal(self, reason):
        assert signal(kubelet_event(reason=reason)).signal_name == "unknown"

    def test_event_without_a_message_has_no_annotation(self):
        assert signal(kubelet_event(message=None)).annotations == {}

    def test_reporter_of_old_is_read_where_there_is_no_newer_one(self):
        event = kubelet_event(reportingComponent="")
        assert signal(event).labels["component"] == "kubelet"
        assert "component" not in signal(kubelet_event(reportingComponent="", source=None)).labels

    def test_long_reason_is_cut_within_the_limit_of_the_resource(self):
        assert len(signal(kubelet_event(reason="é" * 300)).signal_name.encode()) <= 253

    def test_payload_is_the_event_without_the_field_managers_notes(self):
        event = kubelet_event(newer={"field": [1, 2.5, None]})
        kept = json.loads(signal(event).payload())
        assert "managedFields" not in kept["metadata"]
        assert event["metadata"].pop("managedFields")
        assert kept == event

    @pytest.mark.parametrize(("number", "written"), [(float("nan"), "NaN"), (float("-inf"), "-Infinity")])
    def test_number_that_json_has_no_word_for_leaves_a_payload_that_is_json(self, number, written):
        payload = signal(kubelet_event(newer=number)).payload()
        assert json.loads(payload, parse_constant=pytest.fail)["newer"] == written

    def test_integer_of_many_digits_is_kept(self):
        found = signal(kubelet_event(count=10**400))
        assert json.loads(found.payload())["count"] == 10**400


class TestTimes:
    def test_last_time_of_a_series_makes_an_event_young(self):
        signal(scheduler_event(), later=MAX_AGE)
        assert read(scheduler_event(), later=MAX_AGE + 0.001) == Ignored("old_event")

    def test_last_timestamp_makes_an_event_young(self):
        signal(kubelet_event(), later=MAX_AGE)
        assert read(kubelet_event(), later=MAX_AGE + 0.001) == Ignored("old_event")

    def test_event_time_alone_counts_where_there_is_no_series(self):
        event = scheduler_event(series=None)
        found = signal(event, later=60)
        assert found.firing_time == MOMENT - timedelta(minutes=4)
        assert read(event, later=61) == Ignored("old_event")

    def test_deprecated_times_are_read_in_the_newer_version(self):
        event = scheduler_event(
            eventTime=None,
            series=None,
            deprecatedFirstTimestamp="2026-01-02T03:00:00Z",
            deprecatedLastTimestamp="2026-01-02T03:04:05Z",
            deprecatedCount=9,
        )
        assert signal(event, later=MAX_AGE).firing_time == datetime(2026, 1, 2, 3, tzinfo=UTC)
        assert read(event, later=MAX_AGE + 1) == Ignored("old_event")

    def test_newest_of_several_times_counts(self):
        event = scheduler_event(deprecatedLastTimestamp="2026-01-02T02:00:00Z")
        signal(event, later=MAX_AGE)

    def test_time_of_creation_counts_where_no_other_is_known(self):
        event = kubelet_event(firstTimestamp=None, lastTimestamp=None)
        created = metadata("web.1", "prod", created="2026-01-02T03:04:05Z")
        assert signal(event | {"metadata": created}, later=MAX_AGE).firing_time == MOMENT
        assert read(event | {"metadata": created}, later=MAX_AGE + 1) == Ignored("old_event")

    @pytest.mark.parametrize("zero", ["0001-01-01T00:00:00Z", "", "yesterday", "2026-01-02T03:04:05", 1767323045, None])
    def test_time_that_tells_nothing_is_none(self, zero):
        unknown = metadata("web.1", "prod", created=zero)
        event = kubelet_event(metadata=unknown, firstTimestamp=zero, lastTimestamp=zero, eventTime=zero)
        found = signal(event, later=100_000)
        assert found.firing_time == found.received_time == MOMENT + timedelta(seconds=100_000)

    def test_time_in_the_future_is_young(self):
        assert signal(kubelet_event(), later=-7200).firing_time == MOMENT - timedelta(minutes=6)

    @pytest.mark.parametrize("edge", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00"])
    def test_time_outside_the_calendar_is_none(self, edge):
        found = signal(kubelet_event(firstTimestamp=edge), later=1)
        assert found.firing_time == datetime(2026, 1, 2, 2, 58, 5, tzinfo=UTC)

    def test_zone_and_nanoseconds_are_read(self):
        event = kubelet_event(firstTimestamp="2026-01-02T05:00:00.123456789+02:00")
        assert signal(event).firing_time == datetime(2026, 1, 2, 3, 0, 0, 123456, tzinfo=UTC)


class TestNoTarget:
    @pytest.mark.parametrize("about", [None, {}, {"kind": "Pod"}, {"name": POD}, {"kind": None, "name": POD}])
    @pytest.mark.parametrize(
        ("event", "field"), [(kubelet_event(), "involvedObject"), (scheduler_event(), "regarding")], ids=["core", "new"]
    )
    def test_event_about_nothing_is_ignored(self, event, field, about):
        found = ignored(event | {field: about})
        assert found.reason == "no_target"
        assert "involvedObject (regarding)" in found.message

    def test_event_whose_object_is_missing_altogether_is_ignored(self):
        event = kubelet_event()
        del event["involvedObject"]
        assert ignored(event).reason == "no_target"

    @pytest.mark.parametrize(
        "part",
        [
            {"name": "../../../../api/v1/secrets"},
            {"name": ".."},
            {"name": "web?watch=true"},
            {"name": "web%2f.."},
            {"name": "web\n"},
            {"name": "n" * 254},
            {"namespace": "prod/pods/x"},
            {"namespace": "prod\n"},
            {"kind": "Pod/../x"},
            {"kind": "Pod\n"},
            {"apiVersion": "../../v1"},
            {"apiVersion": "apps/v1/deployments"},
        ],
    )
    def test_part_that_would_lead_a_url_elsewhere_is_ignored(self, part):
        event = kubelet_event()
        assert ignored(event | {"involvedObject": event["involvedObject"] | part}).reason == "no_target"

    @pytest.mark.parametrize("name", ["system:node-proxier", "Web_1", "web.1", "n" * 253])
    def test_name_of_any_kind_is_taken(self, name):
        event = kubelet_event()
        assert signal(event | {"involvedObject": event["involvedObject"] | {"name": name}}).target.name == name


class TestPoison:
    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"metadata": None}, "Event.metadata is None"),
            ({"metadata": []}, "Event.metadata is []"),
            ({"metadata": {"uid": 7}}, "Event.metadata.uid is 7"),
            ({"involvedObject": "web"}, "Event.involvedObject is 'web'"),
            ({"involvedObject": {"kind": 7, "name": "x"}}, "Event.involvedObject.kind is 7"),
            ({"reason": ["a"]}, "Event.reason is ['a']"),
            ({"type": True}, "Event.type is True"),
            ({"count": "7"}, "Event.count is '7'"),
            ({"count": 7.5}, "Event.count is 7.5"),
            ({"count": float("nan")}, "Event.count is nan"),
            ({"series": 7}, "Event.series is 7"),
            ({"series": {"count": "x"}}, "Event.series.count is 'x'"),
            ({"source": "kubelet"}, "Event.source is 'kubelet'"),
            ({"message": {"text": "x" * 10_000}}, "Event.message is {'text': 'xxx"),
        ],
    )
    def test_field_of_another_type_is_named(self, fields, named):
        found = poison(kubelet_event(**fields))
        assert found.reason == "malformed_event"
        assert found.message.startswith(named)

    def test_fields_that_are_null_are_as_if_missing(self):
        nothing = dict.fromkeys(
            ["reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "eventTime", "series"]
        )
        found = signal(kubelet_event() | nothing | {"reportingComponent": None}, later=-60)
        assert (found.signal_name, found.annotations) == ("unknown", {})
        about = {"kind": "Node", "name": "n", "namespace": None, "uid": None}
        assert signal(kubelet_event(involvedObject=about)).target == TargetResource(kind="Node", name="n")


class TestCloudEvents:
    @pytest.mark.parametrize("event_type", [ADD, UPDATE])
    def test_whole_event_is_handed_on(self, event_type):
        assert open_cloud_event(event_type, kubelet_event()) == kubelet_event()

    @pytest.mark.parametrize("event_type", [REF_ADD, REF_UPDATE])
    @pytest.mark.parametrize("event", [kubelet_event(), scheduler_event()], ids=["core", "new"])
    def test_reference_says_where_to_read_the_event(self, event_type, event):
        opened = open_cloud_event(event_type, reference(event))
        assert isinstance(opened, EventReference)
        assert opened.api_version == event["apiVersion"]
        assert (opened.namespace, opened.name) == ("prod", event["metadata"]["name"])

    @pytest.mark.parametrize("event_type", [f"dev.knative.apiserver.{mode}.delete" for mode in ("resource", "ref")])
    def test_deletion_asks_for_nothing(self, event_type):
        assert open_cloud_event(event_type, kubelet_event()) == Ignored("deleted_event")

    @pytest.mark.parametrize("event_type", ["", "dev.knative.apiserver.resource", "com.example.added", ADD.upper()])
    def test_other_type_is_refused(self, event_type):
        error = refused(event_type, kubelet_event())
        assert (error.reason, error.field) == ("unknown_type", "type")
        assert "dev.knative.apiserver.resource.*" in str(error)

    @pytest.mark.parametrize("event_type", [ADD, REF_ADD])
    @pytest.mark.parametrize("data", [None, "text", b"\xff", [], [kubelet_event()], 7])
    def test_data_that_is_no_object_is_refused(self, event_type, data):
        error = refused(event_type, data)
        assert (error.reason, error.field) == ("no_object", "data")

    @pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
    def test_half_a_surrogate_pair_is_refused(self, text):
        assert refused(ADD, kubelet_event(message=text)).reason == "encoding"
        assert refused(ADD, kubelet_event() | {text: 1}).reason == "encoding"
        assert refused(REF_ADD, reference(kubelet_event()) | {"name": text}).reason == "encoding"

    def test_data_nested_too_deeply_is_refused(self):
        deep: Any = 1
        for _ in range(600):
            deep = {"deep": deep}
        assert refused(ADD, kubelet_event(deep=deep)).reason == "encoding"

    @pytest.mark.parametrize(
        ("part", "field"),
        [
            ({"apiVersion": "apps/v1"}, "data.apiVersion"),
            ({"apiVersion": None}, "data.apiVersion"),
            ({"kind": "Pod"}, "data.kind"),
            ({"name": ""}, "data.name"),
            ({"name": 7}, "data.name"),
            ({"name": "../../../secrets/token"}, "data.name"),
            ({"name": "web.1?watch=1"}, "data.name"),
            ({"namespace": ""}, "data.namespace"),
            ({"namespace": "kube-system/secrets/x/.."}, "data.namespace"),
            ({"namespace": "prod\n"}, "data.namespace"),
        ],
    )
    def test_reference_to_anything_else_is_refused(self, part, field):
        error = refused(REF_ADD, reference(kubelet_event()) | part)
        assert (error.reason, error.field) == ("malformed_reference", field)
        assert "watch Events only" in str(error)

    @pytest.mark.parametrize("missing", ["apiVersion", "kind", "name", "namespace"])
    def test_reference_that_lacks_a_part_is_refused(self, missing):
        data = reference(kubelet_event())
        del data[missing]
        assert refused(REF_UPDATE, data).field == f"data.{missing}"


class TestOccurrences:
    def test_same_occurrence_is_known_whatever_the_envelope(self):
        assert occurrence_of(kubelet_event()) == occurrence_of(kubelet_event()) != b""

    def test_what_the_api_server_changes_by_itself_is_no_new_occurrence(self):
        other = metadata(f"{POD}.17a3b2c4d5e6f708", "prod") | {"resourceVersion": "99999", "managedFields": []}
        assert occurrence_of(kubelet_event(metadata=other)) == occurrence_of(kubelet_event())

    @pytest.mark.parametrize(
        ("event", "again"),
        [
            (kubelet_event(), {"count": 8}),
            (kubelet_event(), {"lastTimestamp": "2026-01-02T03:04:06Z"}),
            (kubelet_event(), {"metadata": metadata("web.2", "prod", uid="another")}),
            (scheduler_event(), {"series": {"count": 5, "lastObservedTime": "2026-01-02T03:04:05.000000Z"}}),
            (scheduler_event(), {"series": {"count": 4, "lastObservedTime": "2026-01-02T03:04:35.000000Z"}}),
            (scheduler_event(series=None), {"series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:05.000000Z"}}),
        ],
    )
    def test_next_occurrence_is_another(self, event, again):
        assert occurrence_of(event | again) != occurrence_of(event)

    def test_both_versions_of_one_event_are_the_same_occurrence(self):
        old = kubelet_event()
        new = scheduler_event(
            metadata=old["metadata"],
            reason=old["reason"],
            eventTime=None,
            series=None,
            deprecatedCount=7,
            deprecatedFirstTimestamp="2026-01-02T02:58:05Z",
            deprecatedLastTimestamp="2026-01-02T03:04:05Z",
        )
        assert occurrence_of(new) == occurrence_of(old)

    @pytest.mark.parametrize("uid", ["", None])
    def test_object_without_a_uid_is_never_known(self, uid):
        assert occurrence_of(kubelet_event(metadata={"name": "web.1", "uid": uid})) == b""

    def test_object_that_is_no_event_is_never_known(self):
        assert occurrence_of({}) == occurrence_of(kubelet_event(count="x")) == b""


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("\ud800")
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
TIMES = st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | JSON
OBJECTS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["Pod", "Node"]) | JSON, "name": st.sampled_from(["web", ".."]) | JSON},
    optional={"namespace": JSON, "apiVersion": JSON, "uid": JSON, "fieldPath": JSON},
)
EVENTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"type": st.sampled_from(["Warning", "Error"])},
    optional={
        "metadata": st.fixed_dictionaries({}, optional={"name": JSON, "uid": JSON, "creationTimestamp": TIMES}) | JSON,
        "involvedObject": OBJECTS | JSON,
        "regarding": OBJECTS | JSON,
        "reason": JSON,
        "message": JSON,
        "note": JSON,
        "eventTime": TIMES,
        "firstTimestamp": TIMES,
        "lastTimestamp": TIMES,
        "deprecatedLastTimestamp": TIMES,
        "count": JSON,
        "series": st.fixed_dictionaries({}, optional={"count": JSON, "lastObservedTime": TIMES}) | JSON,
        "source": JSON,
        "reportingController": JSON,
    },
)
TYPES = st.sampled_from([ADD, UPDATE, REF_ADD, "dev.knative.apiserver.ref.delete"]) | st.text(max_size=9)


class TestAnything:
    @given(TYPES, EVENTS | st.just(reference(kubelet_event())) | JSON)
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_any_cloud_event_is_read_or_refused(self, event_type, data):
        with suppress(PayloadError):
            opened = open_cloud_event(event_type, data)
            if isinstance(opened, dict):
                entry = read(opened, later=60)
                assert isinstance(entry, NormalizedSignal | Ignored | Poison)
                assert isinstance(occurrence_of(opened), bytes)

    @given(EVENTS)
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_every_signal_has_a_payload_that_is_json_and_a_target_that_is_a_path(self, event):
        with suppress(PayloadError):
            opened = open_cloud_event(ADD, event)
            assert isinstance(opened, dict)
            entry = read(opened, later=60)
            if isinstance(entry, NormalizedSignal):
                json.loads(entry.payload(), parse_constant=pytest.fail)
                assert "/" not in f"{entry.target.kind}{entry.target.namespace}{entry.target.name}"

    def test_what_is_tried_here_reaches_signals(self):
        def is_signal(event: dict[str, Any]) -> bool:
            with suppress(PayloadError):
                opened = open_cloud_event(ADD, event)
                return isinstance(opened, dict) and isinstance(read(opened, later=60), NormalizedSignal)
            return False

        assert find(EVENTS, is_signal, settings=settings(derandomize=True, max_examples=2000))

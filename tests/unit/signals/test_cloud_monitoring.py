import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.signals.cloud_monitoring import read_incident
from core.signals.signal import Entry, Ignored, NormalizedSignal, Poison, TargetResource, fingerprint_of
from tests.support.pubsub_messages import CONTAINER, incident

RECEIVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POD = TargetResource(kind="Pod", name="web-7d4b9c6f5d-x2x9k", namespace="prod", api_version="v1")
NODE = {"project_id": "shop", "location": "europe-west1", "cluster_name": "eu-1", "node_name": "gke-eu-1-pool-1"}


def read(body: dict[str, Any]) -> Entry:
    return read_incident(body, received_time=RECEIVED)


def signal(body: dict[str, Any]) -> NormalizedSignal:
    entry = read(body)
    assert isinstance(entry, NormalizedSignal), entry
    return entry


def ignored(body: dict[str, Any]) -> Ignored:
    entry = read(body)
    assert isinstance(entry, Ignored), entry
    return entry


def poison(body: dict[str, Any]) -> Poison:
    entry = read(body)
    assert isinstance(entry, Poison), entry
    assert entry.message.isprintable()
    assert len(entry.message) < 500
    return entry


class TestOpenIncidents:
    def test_incident_about_a_container_is_a_signal_about_its_pod(self):
        found = signal(incident())
        assert found.target == POD
        assert found.signal_name == "Memory is short"
        assert found.severity == "critical"
        assert found.signal_type == "cloud-monitoring-incident"
        assert found.signal_source == "cloud-monitoring"
        assert found.firing_time == datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
        assert found.received_time == RECEIVED
        assert found.annotations["summary"].startswith("Memory limit utilization for shop web")
        assert found.annotations["condition_name"] == "limit utilization"
        assert found.annotations["url"].startswith("https://console.cloud.google.com/monitoring/")

    def test_labels_are_those_of_the_resource_and_the_policy(self):
        assert signal(incident()).labels == CONTAINER | {"incident_id": "0.opqiw61fsv7p", "team": "shop"}

    def test_googles_own_resources_name_their_cluster_whatever_the_setting_says(self):
        found = read_incident(incident(), received_time=RECEIVED, cluster_labels=("team",))
        assert isinstance(found, NormalizedSignal)
        assert found.cluster_id == "eu-1"

    def test_cluster_is_part_of_the_fingerprint(self):
        found = signal(incident())
        assert found.cluster_id == "eu-1"
        assert found.fingerprint == fingerprint_of(POD, cluster="eu-1")

    def test_incident_about_a_pod_names_it(self):
        labels = {name: text for name, text in CONTAINER.items() if name != "container_name"}
        assert signal(incident("k8s_pod", labels)).target == POD

    def test_incident_about_a_node_has_no_namespace(self):
        found = signal(incident("k8s_node", NODE))
        assert found.target == TargetResource(kind="Node", name="gke-eu-1-pool-1", api_version="v1")

    @pytest.mark.parametrize("severity", [None, ""])
    def test_incident_without_severity_is_of_unknown_severity(self, severity):
        assert signal(incident(severity=severity)).severity == "unknown"

    def test_incident_that_lacks_severity_is_of_unknown_severity(self):
        body = incident()
        del body["incident"]["severity"]
        assert signal(body).severity == "unknown"

    def test_name_is_the_policys_or_else_the_conditions(self):
        assert signal(incident(policy_name=None)).signal_name == "limit utilization"
        assert signal(incident(policy_name=None, condition_name=None)).signal_name == "unknown"

    def test_long_values_are_cut_to_the_limits_of_the_resource(self):
        body = incident(labels=CONTAINER | {"cluster_name": "c" * 300}, policy_name="é" * 300, severity="s" * 60)
        found = signal(body)
        assert len(found.signal_name.encode()) <= 253
        assert (len(found.severity), len(found.cluster_id)) == (50, 253)

    @pytest.mark.parametrize("started_at", [None, 0, -1, 1e300, float("nan"), float("inf"), 10**300])
    def test_start_that_is_no_time_falls_back_to_the_arrival(self, started_at):
        assert signal(incident(started_at=started_at)).firing_time == RECEIVED

    def test_start_may_have_a_fraction(self):
        assert signal(incident(started_at=1767323040.5)).firing_time == datetime(
            2026, 1, 2, 3, 4, 0, 500000, tzinfo=UTC
        )

    def test_payload_is_the_whole_notification(self):
        assert json.loads(signal(incident(newer=[1])).payload()) == incident(newer=[1])

    def test_what_else_is_null_does_no_harm(self):
        nothing: Any = dict.fromkeys(["incident_id", "summary", "url", "policy_user_labels", "metric", "documentation"])
        assert signal(incident(**nothing)).annotations == {"condition_name": "limit utilization"}

    def test_console_writes_its_states_in_capitals(self):
        assert signal(incident(state="OPEN")).target == POD


class TestClosedIncidents:
    def test_closed_incident_is_the_one_that_was_open(self):
        opened, closed = signal(incident()), read(incident(state="closed"))
        assert isinstance(closed, Ignored)
        over: Any = closed.ended
        assert over.resolved
        assert (over.alert, over.fingerprint) == (opened.alert, opened.fingerprint)
        assert over.alert != signal(incident(incident_id="another")).alert

    def test_incident_without_an_id_is_never_told_resolved(self):
        assert signal(incident(incident_id=None)).alert == ""

    @pytest.mark.parametrize("state", ["closed", "CLOSED"])
    def test_closed_incident_asks_for_nothing(self, state):
        assert read(incident(state=state, ended_at=1767323100)) == Ignored("resolved")

    def test_closed_incident_needs_no_target(self):
        assert read(incident("gce_instance", {}, state="closed")) == Ignored("resolved")
        assert read(incident(state="closed", resource=None)) == Ignored("resolved")


class TestNoTarget:
    @pytest.mark.parametrize("resource", [None, {"type": "gce_instance", "labels": {"instance_id": "1"}}])
    def test_incident_about_nothing_in_kubernetes_is_ignored(self, resource):
        found = ignored(incident(resource=resource))
        assert found.reason == "no_target"
        assert "only k8s_container, k8s_pod, k8s_node and prometheus_target name a Kubernetes object" in found.message

    def test_incident_without_a_resource_is_ignored(self):
        body = incident()
        del body["incident"]["resource"]
        assert ignored(body).reason == "no_target"

    @pytest.mark.parametrize("kind", ["k8s_cluster", "k8s_container_v2", "uptime_url", ""])
    def test_other_resource_types_are_ignored(self, kind):
        assert ignored(incident(kind)).message.startswith(f"incident.resource.type is {kind!r}; only k8s_container")

    @pytest.mark.parametrize(
        "part",
        [
            {"pod_name": ""},
            {"pod_name": "Not A Pod"},
            {"pod_name": "../../nodes/x"},
            {"namespace_name": ""},
            {"namespace_name": "Prod"},
        ],
    )
    def test_labels_that_name_no_object_are_shown(self, part):
        found = ignored(incident(labels=CONTAINER | part))
        assert found.reason == "no_target"
        assert found.message.startswith("incident.resource.labels of a k8s_container: pod_name is ")

    @pytest.mark.parametrize("labels", [None, {}])
    def test_resource_without_labels_is_ignored(self, labels):
        assert ignored(incident(resource={"type": "k8s_pod", "labels": labels})).reason == "no_target"


class TestPoison:
    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"state": "acknowledged"}, "incident.state is 'acknowledged'; it must be open or closed"),
            ({"state": None}, "incident.state is None: "),
            ({"resource": "web"}, "incident.resource is 'web': "),
            ({"resource": {"labels": {}}}, "incident.resource.type is "),
            ({"resource": {"type": "k8s_pod", "labels": {"pod_name": 7}}}, "incident.resource.labels.pod_name is 7: "),
            ({"resource": {"type": "k8s_pod", "labels": {"\x1b" * 99: 7}}}, r"incident.resource.labels.'\x1b\x1b"),
            ({"severity": 1}, "incident.severity is 1: "),
            ({"started_at": "yesterday"}, "incident.started_at is 'yesterday': "),
            ({"policy_user_labels": ["x"]}, "incident.policy_user_labels is ['x']: "),
        ],
    )
    def test_field_that_cannot_work_is_named(self, fields, named):
        found = poison(incident(**fields))
        assert found.reason == "malformed_incident"
        assert found.message.startswith(named)

    @pytest.mark.parametrize("broken", [None, [], "open", 7, {}])
    def test_incident_that_is_none_is_poison(self, broken):
        assert poison({"version": "1.2", "incident": broken}).reason == "malformed_incident"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
INCIDENTS = st.fixed_dictionaries(
    {"state": st.sampled_from(["open", "closed"]) | JSON},
    optional={
        "resource": st.fixed_dictionaries({"type": st.just("k8s_pod") | JSON, "labels": st.just(CONTAINER) | JSON})
        | JSON,
        "severity": JSON,
        "started_at": JSON,
        "policy_name": JSON,
        "policy_user_labels": JSON,
    },
)


class TestAnything:
    @given(INCIDENTS | JSON)
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_any_incident_has_an_entry_and_every_signal_a_payload_that_is_json(self, body):
        entry = read({"incident": body})
        assert isinstance(entry, NormalizedSignal | Ignored | Poison)
        if isinstance(entry, NormalizedSignal):
            json.loads(entry.payload(), parse_constant=pytest.fail)


def measured(labels: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """An incident of Managed Prometheus; `labels` are the metric's."""
    resource = {"project_id": "shop", "location": "europe-west1", "cluster": "eu-1", "namespace": "prod"}
    resource |= {"job": "web", "instance": "web-7d4b9c6f5d-x2x9k:metrics"}
    metric = {"type": "prometheus.googleapis.com/http_errors_total/counter", "displayName": "", "labels": labels or {}}
    return incident("prometheus_target", resource, metric=metric, **fields)


class TestIncidentsOfManagedPrometheus:
    """The label rules of alerts, over the labels of resource and metric."""

    def test_pod_of_the_metric_is_the_target(self):
        found = signal(measured({"pod": "web-7d4b9c6f5d-x2x9k", "code": "500"}))
        assert found.target == POD
        assert (found.candidates[0].label, found.candidates[0].target) == ("pod", POD)
        assert found.cluster_id == "eu-1"
        assert found.fingerprint == fingerprint_of(POD, cluster="eu-1")
        assert found.labels["code"] == "500"

    def test_cluster_is_named_by_the_labels_of_the_setting(self):
        body = measured({"pod": "web-7d4b9c6f5d-x2x9k", "k8s_cluster_name": "eu-2"})
        found = read_incident(body, received_time=RECEIVED, cluster_labels=("k8s_cluster_name", "cluster"))
        assert isinstance(found, NormalizedSignal)
        assert found.cluster_id == "eu-2"

    def test_measured_object_comes_before_its_exporter(self):
        labels = {"deployment": "shop", "exported_namespace": "team", "exported_pod": "db-0", "pod": "ksm-1"}
        found = signal(measured(labels))
        named = [(each.target.kind, each.target.namespace, each.target.name) for each in found.candidates]
        assert named[0] == ("Pod", "team", "db-0")

    def test_place_at_google_is_no_kind(self):
        found = signal(measured({"pod": "web-1"}))
        assert [each.label for each in found.candidates] == ["pod"]

    def test_policy_may_name_the_target(self):
        hints = {"target_kind": "Deployment", "target_name": "shop", "target_namespace": "team"}
        found = signal(measured({"pod": "web-1"}, policy_user_labels=hints))
        assert (found.target.kind, found.target.namespace, found.target.name) == ("Deployment", "team", "shop")

    def test_query_that_keeps_no_resource_is_read_by_its_metric(self):
        body = measured({"pod": "web-1", "namespace": "prod"})
        body["incident"]["resource"] = None
        assert signal(body).target.name == "web-1"

    def test_metric_that_names_nothing_is_ignored(self):
        found = ignored(measured())
        assert (found.reason, found.signal_name) == ("no_target", "Memory is short")

    @pytest.mark.parametrize("metric", [None, 7, {}, {"labels": 7}, {"type": 7, "labels": {"pod": 7}}])
    def test_metric_of_any_form_does_no_harm(self, metric):
        assert ignored(measured() | incident("prometheus_target", {"namespace": "prod"}, metric=metric)).reason
        assert signal(incident(metric=metric)).target == POD

"""The object that is created, field by field."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from core.kube.resources import remediation_requests
from core.protocol.remediation_request import PayloadEncoding, RemediationRequestBuilder, fenced_name
from core.signals.signal import NormalizedSignal, TargetResource

FINGERPRINT = "0123456789abcdef" * 4
NOW = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
SEED = "remediation.kubernaut.ai"
UPSTREAM = "kubernaut.ai"
PAYLOAD = '{"alerts": ["ä"]}'.encode()
SIGNAL = NormalizedSignal(
    fingerprint=FINGERPRINT,
    signal_name="HighMemoryUsage",
    severity="critical",
    signal_type="prometheus-alert",
    signal_source="alertmanager",
    target=TargetResource(kind="Deployment", name="web", namespace="prod", api_version="apps/v1"),
    cluster_id="eu-1",
    environment="production",
    priority="P1",
    firing_time=datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
    received_time=NOW - timedelta(milliseconds=1),
    labels={"alertname": "HighMemoryUsage", "pod": "web-1"},
    annotations={"summary": "memory is short"},
    payload=lambda: PAYLOAD,
)


def build(signal: NormalizedSignal = SIGNAL, *, group: str = SEED, encoding: PayloadEncoding = "base64"):
    resource = remediation_requests(group=group, version="v1alpha1")
    builder = RemediationRequestBuilder(resource=resource, namespace="ops", payload_encoding=encoding)
    return builder.build(signal, name="rr-1", attempt_id="attempt-1", now=NOW)


def test_object_says_what_it_is_and_who_made_it_when():
    built = build()
    del built["spec"]
    assert built == {
        "apiVersion": "remediation.kubernaut.ai/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {
            "name": "rr-1",
            "namespace": "ops",
            "labels": {
                "app.kubernetes.io/managed-by": "gateway-service",
                "app.kubernetes.io/component": "remediation",
                "sluice.kubernaut.ai/severity": "critical",
                "sluice.kubernaut.ai/signal-type": "prometheus-alert",
                "sluice.kubernaut.ai/target-kind": "Deployment",
                "sluice.kubernaut.ai/target-namespace": "prod",
                "sluice.kubernaut.ai/fingerprint": "0123456789ab",
            },
            "annotations": {
                "kubernaut.ai/created-at": "2026-01-02T03:04:06Z",
                "gateway.kubernaut.ai/attempt-id": "attempt-1",
            },
        },
    }


def test_spec_has_every_field_of_the_seed():
    spec = build()["spec"]
    assert json.loads(spec.pop("providerData")) == {"namespace": "prod", "labels": SIGNAL.labels}
    assert b64decode(spec.pop("originalPayload")) == PAYLOAD
    assert spec == {
        "signalFingerprint": FINGERPRINT,
        "signalName": "HighMemoryUsage",
        "severity": "critical",
        "signalType": "prometheus-alert",
        "signalSource": "alertmanager",
        "targetType": "kubernetes",
        "targetResource": {"kind": "Deployment", "name": "web", "namespace": "prod", "apiVersion": "apps/v1"},
        "clusterID": "eu-1",
        "firingTime": "2026-01-02T03:04:05Z",
        "receivedTime": "2026-01-02T03:04:05.999000Z",
        "signalLabels": {"alertname": "HighMemoryUsage", "pod": "web-1"},
        "signalAnnotations": {"summary": "memory is short"},
        "environment": "production",
        "priority": "P1",
    }


def test_newest_upstream_group_gets_no_field_that_its_crd_lacks():
    built = build(group=UPSTREAM)
    assert built["apiVersion"] == "kubernaut.ai/v1alpha1"
    assert build()["spec"].keys() - built["spec"].keys() == {"environment", "priority"}
    assert all(built["spec"][key] == build()["spec"][key] for key in built["spec"])


def test_fields_that_a_signal_does_not_have_are_left_out():
    bare = replace(
        SIGNAL,
        signal_source="",
        cluster_id="",
        environment="",
        priority="",
        payload=bytes,
        target=TargetResource(kind="Node", name="n1"),
    )
    spec = build(bare)["spec"]
    assert not {"signalSource", "clusterID", "environment", "priority", "originalPayload"} & spec.keys()
    assert spec["targetResource"] == {"kind": "Node", "name": "n1"}


def test_payload_is_the_json_text_where_the_consumer_wants_it_raw():
    assert build(encoding="raw")["spec"]["originalPayload"] == PAYLOAD.decode()


ETCD_TAKES = 1_500_000


@pytest.mark.parametrize("encoding", ["raw", "base64"])
def test_payload_that_etcd_could_not_take_is_left_out(encoding):
    fits = build(replace(SIGNAL, payload=lambda: b"x" * 512 * 1024), encoding=encoding)
    too_large = build(replace(SIGNAL, payload=lambda: b"x" * 1024 * 1024), encoding=encoding)
    assert "originalPayload" in fits["spec"]
    assert "originalPayload" not in too_large["spec"]
    assert too_large["spec"]["signalLabels"]
    assert len(json.dumps(fits)) < ETCD_TAKES


@pytest.mark.parametrize("character", ["x", "ä", "\0", '"'])
def test_object_is_never_larger_than_etcd_takes_whatever_the_alert_holds(character):
    huge = replace(
        SIGNAL,
        labels={f"l{index}": character * 60 for index in range(20_000)},
        annotations={f"a{index}": character * 200_000 for index in range(20)},
        payload=lambda: b"x" * 700_000,
    )
    assert len(json.dumps(build(huge), ensure_ascii=False).encode()) < ETCD_TAKES


def test_small_annotations_are_kept_where_the_payload_has_to_go():
    spec = build(replace(SIGNAL, annotations={"a": "short"}, payload=lambda: b"x" * 2_000_000))["spec"]
    assert spec["signalAnnotations"] == {"a": "short"}
    assert "originalPayload" not in spec


def test_label_and_annotation_values_are_cut_to_their_limits():
    long = replace(SIGNAL, labels={"a": "ä" * 100}, annotations={"b": "ä" * 200_000})
    spec = build(long)["spec"]
    assert spec["signalLabels"] == {"a": "ä" * 31}
    assert spec["signalAnnotations"] == {"b": "ä" * 131_072}
    assert json.loads(spec["providerData"])["labels"] == spec["signalLabels"]


def test_same_signal_gives_the_same_object_every_time():
    assert build() == build()


def test_labels_that_have_nothing_to_say_are_left_out():
    node = replace(SIGNAL, severity="\U0001f525", target=TargetResource(kind="Node", name="n1"))
    labels = build(node)["metadata"]["labels"]
    assert "sluice.kubernaut.ai/severity" not in labels
    assert "sluice.kubernaut.ai/target-namespace" not in labels
    assert labels["sluice.kubernaut.ai/target-kind"] == "Node"
    assert build(node)["spec"]["severity"] == "\U0001f525", "spec has it as it came"


def test_label_of_a_problem_is_what_its_name_has():
    name = fenced_name(FINGERPRINT, lease_uid="u")
    assert name.split("-")[1] == build()["metadata"]["labels"]["sluice.kubernaut.ai/fingerprint"]

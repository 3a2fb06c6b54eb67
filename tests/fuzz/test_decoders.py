"""Each decoder, and each reader of what the API server says: a value of its type, or an error of its own."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from multidict import CIMultiDict
from pydantic_core import from_json

from core.errors import PayloadError
from core.kube.client import Listing, Reply
from core.kube.errors import ApiStatusError, UnreadableAnswerError, refusal
from core.kube.resources import LEASES
from core.kube.transport import ApiRequest, ApiResponse
from core.protocol.lease import Lease, _lease
from core.protocol.lock import DistributedLockManager
from core.protocol.remediation_request import (
    RemediationRequest,
    RemediationRequestBuilder,
    read_remediation_request,
    read_remediation_requests,
)
from core.signals import cloud_monitoring
from core.signals.alertmanager import AlertReader, decode_alertmanager
from core.signals.kubernetes_event import EventObject, EventReader, EventReference, occurrence_of, open_cloud_event
from core.signals.pubsub import MESSAGE_PUBLISHED, ContentReader, open_message
from core.signals.rules import default_rules
from core.signals.signal import Ignored, NormalizedSignal, Poison, TargetResource
from core.signals.targets import target_of
from tests.fuzz.corpus import entries
from tests.fuzz.effort import effort
from tests.fuzz.mutations import JSON, encoded, mutated_bytes, mutated_json
from tests.support.instances import RRS
from tests.support.kubernetes_events import kubelet_event, reference, scheduler_event
from tests.support.loop_clock import START
from tests.support.pubsub_messages import incident

ENTRY = NormalizedSignal | Ignored | Poison
BUILDER = RemediationRequestBuilder(resource=RRS, namespace="sluice-system", payload_encoding="raw")
WEBHOOKS = st.sampled_from([entry.body for entry in entries("alertmanager")])
EVENTS = mutated_json(st.sampled_from([kubelet_event(), scheduler_event(), reference(kubelet_event())]))
LEASE = {
    "metadata": {
        "name": "gw-lock-1", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-02T03:04:05Z",
        "managedFields": [{"manager": "sluice", "time": "2026-01-02T03:04:05Z"}],
    },
    "spec": {"holderIdentity": "a", "leaseDurationSeconds": 30, "renewTime": "2026-01-02T03:04:05.000000Z"},
}  # fmt: skip
REQUEST = {
    "metadata": {
        "name": "rr-1", "namespace": "sluice-system", "uid": "u", "resourceVersion": "7",
        "creationTimestamp": "2026-01-02T03:04:05Z", "annotations": {"gateway.kubernaut.ai/attempt-id": "a"},
    },
    "spec": {"signalFingerprint": "a" * 64},
    "status": {
        "overallPhase": "Executing", "deduplication": {"occurrenceCount": 2, "firstSeenAt": "x", "lastSeenAt": "y"},
    },
}  # fmt: skip
NAMES = ["pod", "exported_pod", "job_name", "node", "namespace", "exported_namespace", "job", "service", "uid"]
ODD_NAMES = st.sampled_from(["web-1", "prod", "kube-state-metrics-1", "kube-state-metrics", "a/b", "..", "x" * 254, ""])
LABELS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), ODD_NAMES | st.text(max_size=8), max_size=6)


def check_entry(entry: Any) -> None:
    """A signal must make an object that is JSON; everything else a sentence on one line, or a word."""
    assert isinstance(entry, ENTRY)
    if isinstance(entry, NormalizedSignal):
        assert len(entry.fingerprint) == 64
        assert "/" not in f"{entry.target.kind}{entry.target.namespace}{entry.target.name}"
        body = BUILDER.build(entry, name="rr-1", attempt_id="a", now=START)
        json.dumps(body, allow_nan=False).encode()
        json.loads(entry.payload(), parse_constant=pytest.fail)
    elif isinstance(entry, Poison):
        assert entry.message.isprintable()
        assert entry.reason.isidentifier()


def as_parsed(value: Any) -> Any:
    """What the strict parser lets through to the reader: no halves of surrogate pairs, and no depth without end."""
    try:
        return from_json(encoded(value))
    except ValueError:
        reject()


class TestAdapters:
    @given(mutated_bytes(WEBHOOKS))
    @effort(120)
    def test_webhook(self, body):
        with suppress(PayloadError):
            for entry in decode_alertmanager(body, received_time=START, signal_type="alert").entries:
                check_entry(entry)

    @given(JSON | st.fixed_dictionaries({"labels": LABELS | JSON}, optional={"startsAt": JSON, "annotations": JSON}))
    @effort(120)
    def test_alert(self, raw):
        check_entry(
            AlertReader(
                envelope={}, received_time=START, signal_type="alert", untargeted="ignore", rules=default_rules()
            ).read(as_parsed(raw), 0)
        )

    @given(LABELS)
    @effort(120)
    def test_target(self, labels):
        target = target_of(labels)
        assert isinstance(target, TargetResource | Ignored)
        if isinstance(target, TargetResource):
            assert target.name in labels.values()
            assert not target.namespace or target.namespace in labels.values()

    @given(st.sampled_from(["resource.add", "resource.update", "ref.add", "ref.delete", ""]), EVENTS | JSON)
    @effort(120)
    def test_kubernetes_event(self, kind, data):
        with suppress(PayloadError):
            opened = open_cloud_event(f"dev.knative.apiserver.{kind}", data)
            assert isinstance(opened, dict | EventReference | Ignored)
            if isinstance(opened, dict):
                assert isinstance(occurrence_of(opened), bytes)
                check_entry(EventReader(START, 300.0).read(opened))

    @given(EVENTS | JSON)
    @effort(110)
    def test_event_object(self, raw):
        with suppress(ValueError):  # pydantic's
            event = EventObject.model_validate(raw)
            assert event.occurrences >= 0 or event.count or event.series
            assert all(isinstance(value, str) and value for value in event.labels.values())
            times = [event.first_time, event.last_time]
            assert all(time is None or time.tzinfo for time in times)

    @given(mutated_json(st.just(incident())) | JSON)
    @effort(120)
    def test_incident(self, document):
        document = as_parsed(document)
        if isinstance(document, dict):
            check_entry(cloud_monitoring.read_incident(document, received_time=START))

    @given(
        JSON | st.fixed_dictionaries({"message": st.fixed_dictionaries({}, optional={"data": JSON, "messageId": JSON})})
    )
    @effort(110)
    def test_message(self, data):
        with suppress(PayloadError):
            assert open_message(MESSAGE_PUBLISHED, data).content()

    @given(mutated_bytes(WEBHOOKS) | mutated_json(st.sampled_from([incident(), kubelet_event()])).map(encoded))
    @effort(120)
    def test_content_of_a_message(self, content):
        message = open_message(MESSAGE_PUBLISHED, {"message": {"data": b64encode(content).decode()}})
        reader = ContentReader(received_time=START, signal_type="alert", event_max_age=300.0)
        with suppress(PayloadError):
            for entry in reader.read(message.content(), provenance={"a": "b"}).entries:
                check_entry(entry)


DATED = CIMultiDict(Date="Fri, 02 Jan 2026 03:04:05 GMT")


class TestWhatTheApiServerSays:
    @given(
        mutated_json(st.just(LEASE)),
        st.sampled_from(["Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:05 -0000", "", "x"]),
    )
    @effort(120)
    def test_lease(self, obj, date):
        if not isinstance(obj, dict):
            return
        with suppress(UnreadableAnswerError):
            lease = _lease(Reply(obj, CIMultiDict(Date=date)), "gw-lock-1")
            assert isinstance(lease, Lease)
            assert DistributedLockManager(store=None).expired(lease) in (True, False)  # type: ignore[arg-type]

    @given(mutated_json(st.just(REQUEST)))
    @effort(120)
    def test_remediation_request(self, obj):
        if not isinstance(obj, dict):
            return
        rr = RemediationRequest.from_object(obj)
        assert rr.occurrences >= 1
        assert rr.active in (True, False)
        with suppress(UnreadableAnswerError):
            assert read_remediation_request(Reply(obj, DATED), name="rr-1").name == "rr-1"
        with suppress(UnreadableAnswerError):
            (found,) = read_remediation_requests(Listing([obj], DATED), fingerprint="a" * 64)
            assert (found.uid, found.fingerprint) != ("", "")

    @given(
        st.integers(400, 999),
        st.binary(max_size=60)
        | st.fixed_dictionaries({}, optional={"reason": JSON, "message": JSON, "details": JSON}).map(encoded),
        st.text(max_size=9) | st.just("9" * 400),
        st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    )
    @effort(120)
    def test_refusal(self, status, body, retry_after, method):
        request = ApiRequest(method=method, path="/apis/coordination.k8s.io/v1/namespaces/x/leases")
        error = refusal(LEASES, request, ApiResponse(status, CIMultiDict({"Retry-After": retry_after}), body))
        assert isinstance(error, ApiStatusError)
        assert error.status == status
        assert str(error).encode()
        assert error.retry_after is None or 0 <= error.retry_after < 1e9
        assert error.transient == (status >= 500 or status == 429)

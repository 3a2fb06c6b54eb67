"""The RemediationRequest (RR) whole: its phases, what is read of it, its name and its body (kubernaut: CRDCreator)."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID, uuid5

from pydantic_core import to_json

from core.kube.errors import UnreadableAnswerError
from core.text import cut_utf8
from core.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from core.kube.resources import Resource
    from core.models.signal import NormalizedSignal

TERMINAL_PHASES = frozenset({"Completed", "Failed", "TimedOut", "Skipped", "Cancelled"})
"""Which phases end it (kubernaut: IsTerminalPhase)."""

ATTEMPT_ANNOTATION = "gateway.kubernaut.ai/attempt-id"
"""Names the try that created the request, so that a creator whose answer was lost knows its own work."""

PayloadEncoding = Literal["base64", "raw"]

SEED_GROUP = "remediation.kubernaut.ai"

_LABEL_VALUE_BYTES = 63
_ANNOTATION_VALUE_BYTES = 256 * 1024
# etcd takes 1.5 MiB. The API server answers a larger object with 500, which would be tried again for ever.
_SPEC_BYTES = 1024 * 1024
_SURELY_FITS = 64 * 1024  # however much escaping adds: no need to write it out twice to measure
_DROPPED_FIRST = ("originalPayload", "signalAnnotations", "providerData", "signalLabels")
_GENERATIONS = UUID("0c7d6f0e-6a57-5d0b-9a43-5f6a1a2f6a10")  # fixed for ever: another value forks every chain
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")


def is_terminal_phase(phase: str) -> bool:
    """Tell whether `phase` allows a new request for the same fingerprint.

    A whitelist: an unknown phase, an empty one, Blocked and Verifying count as active, for the worst
    an unknown phase can then do is to count a repeat where a new request was wanted.
    """
    return phase in TERMINAL_PHASES


@dataclass(frozen=True, slots=True, kw_only=True)
class DeduplicationStatus:
    """`status.deduplication`, the only part of the status that the gateway writes. Times are RFC 3339 text."""

    occurrence_count: int
    first_seen_at: str
    last_seen_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemediationRequest:
    """A view of one stored object; `deduplication` is None where the status has none yet."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    creation_timestamp: str
    fingerprint: str
    phase: str = ""
    attempt_id: str = ""
    deduplication: DeduplicationStatus | None = None

    @property
    def active(self) -> bool:
        """Whether a signal of this fingerprint joins this request."""
        return not is_terminal_phase(self.phase)

    @property
    def occurrences(self) -> int:
        """How many signals it stands for; without `status.deduplication` the one that created it."""
        return self.deduplication.occurrence_count if self.deduplication else 1

    @property
    def age_order(self) -> tuple[str, str]:
        """Sorts oldest first; the name decides within one second, the same way on every instance."""
        return (self.creation_timestamp, self.name)

    @classmethod
    def from_object(cls, obj: Mapping[str, Any]) -> RemediationRequest:
        """Read the API server's object. Fields of a wrong type, which a looser CRD may let in, count as absent."""
        metadata = _mapping(obj.get("metadata"))
        status = _mapping(obj.get("status"))
        return cls(
            name=_text(metadata.get("name")),
            namespace=_text(metadata.get("namespace")),
            uid=_text(metadata.get("uid")),
            resource_version=_text(metadata.get("resourceVersion")),
            creation_timestamp=_text(metadata.get("creationTimestamp")),
            fingerprint=_text(_mapping(obj.get("spec")).get("signalFingerprint")),
            phase=_text(status.get("overallPhase")),
            attempt_id=_text(_mapping(metadata.get("annotations")).get(ATTEMPT_ANNOTATION)),
            deduplication=_deduplication(_mapping(status.get("deduplication"))),
        )


def _deduplication(status: Mapping[str, Any]) -> DeduplicationStatus | None:
    count = status.get("occurrenceCount")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        return None
    return DeduplicationStatus(
        occurrence_count=count,
        first_seen_at=_text(status.get("firstSeenAt")),
        last_seen_at=_text(status.get("lastSeenAt")),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# Reading: an RR is believed only where it is what was asked for. Anything may answer with 200 and JSON, a proxy or
# a broken webhook. Taken for an RR of another fingerprint, such an answer to a CREATE would make the next name be
# tried, and create RR after RR.


def read_remediation_request(obj: Mapping[str, Any], *, name: str, fingerprint: str = "") -> RemediationRequest:
    """Return the request called `name`; `fingerprint` is given where only that one can be right.

    Raises:
        UnreadableAnswerError: it is another object, or none.
    """
    request = RemediationRequest.from_object(obj)
    if request.name != name or not _whole(request) or fingerprint not in ("", request.fingerprint):
        raise UnreadableAnswerError(f"the API server's answer is not RemediationRequest {name} as it was asked for")
    return request


def read_remediation_requests(items: Iterable[Mapping[str, Any]], *, fingerprint: str) -> list[RemediationRequest]:
    """Return the requests in a LIST that selects `fingerprint`.

    Raises:
        UnreadableAnswerError: there is anything else among them.
    """
    requests = [RemediationRequest.from_object(item) for item in items]
    if not all(_whole(request) and request.fingerprint == fingerprint for request in requests):
        raise UnreadableAnswerError(f"the API server's list has more in it than requests of fingerprint {fingerprint}")
    return requests


def _whole(request: RemediationRequest) -> bool:
    named = request.name and request.namespace and request.uid and request.resource_version
    return bool(named) and _FINGERPRINT.match(request.fingerprint) is not None


def fenced_name(fingerprint: str, *, head_uid: str = "", salt: int = 0) -> str:
    """Return the fenced name of the request that follows `head_uid` (kubernaut: rr-{fingerprint[:12]}-{uuid[:8]}).

    Args:
        fingerprint: 64-character SHA-256 of the problem.
        head_uid: uid of the newest terminal request, empty where there is none.
        salt: counts the names found taken by another fingerprint with the same first twelve characters.
    """
    generation = f"{fingerprint}/{head_uid}" + (f"/{salt}" if salt else "")
    return f"rr-{fingerprint[:12]}-{uuid5(_GENERATIONS, generation).hex[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemediationRequestBuilder:
    """Builds objects of one API group in one namespace."""

    resource: Resource
    namespace: str
    payload_encoding: PayloadEncoding

    def build(self, signal: NormalizedSignal, *, name: str, attempt_id: str, now: datetime) -> dict[str, Any]:
        """Return the object to CREATE; every string is within the CRD's limits."""
        return {
            "apiVersion": self.resource.api_version,
            "kind": self.resource.kind,
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {
                    "app.kubernetes.io/managed-by": "gateway-service",
                    "app.kubernetes.io/component": "remediation",
                },
                "annotations": {
                    **signal.provenance,
                    "kubernaut.ai/created-at": rfc3339(now),
                    ATTEMPT_ANNOTATION: attempt_id,
                },
            },
            "spec": self._spec(signal),
        }

    def _spec(self, signal: NormalizedSignal) -> dict[str, Any]:
        labels = truncated(signal.labels, limit=_LABEL_VALUE_BYTES)
        spec = {
            "signalFingerprint": signal.fingerprint,
            "signalName": signal.signal_name,
            "severity": signal.severity,
            "signalType": signal.signal_type,
            "targetType": signal.target_type,
            "targetResource": _target(signal),
            "firingTime": rfc3339(signal.firing_time),
            "receivedTime": rfc3339(signal.received_time),
            "signalLabels": labels,
            "signalAnnotations": truncated(signal.annotations, limit=_ANNOTATION_VALUE_BYTES),
            "providerData": json.dumps({"namespace": signal.target.namespace, "labels": labels}),
        }
        return _fitting(
            spec
            | _present(
                signalSource=signal.signal_source,
                clusterID=signal.cluster_id,
                originalPayload=self._payload(signal.payload()),
                # The newest upstream CRD has no such fields: it would prune them, or refuse them when strict.
                environment=signal.environment if self.resource.group == SEED_GROUP else "",
                priority=signal.priority if self.resource.group == SEED_GROUP else "",
            )
        )

    def _payload(self, payload: bytes) -> str:
        return b64encode(payload).decode() if self.payload_encoding == "base64" else payload.decode()


def _fitting(spec: dict[str, Any]) -> dict[str, Any]:
    """Leave out what can be spared, the payload first, where the object would be too large to store."""
    if _characters(spec) > _SURELY_FITS:
        for field in _DROPPED_FIRST:
            if len(to_json(spec)) <= _SPEC_BYTES:
                break
            spec.pop(field, None)
    return spec


def _characters(spec: dict[str, Any]) -> int:
    maps = (spec["signalLabels"], spec["signalAnnotations"])
    return sum(len(key) + len(value) for values in (*maps, spec) for key, value in values.items())


def truncated(values: Mapping[str, str], *, limit: int) -> dict[str, str]:
    """Cut each value to at most `limit` bytes of UTF-8, never inside a character."""
    return {key: cut_utf8(value, limit=limit) for key, value in values.items()}


def _target(signal: NormalizedSignal) -> dict[str, str]:
    target = signal.target
    return {"kind": target.kind, "name": target.name} | _present(
        namespace=target.namespace, apiVersion=target.api_version
    )


def _present(**values: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}

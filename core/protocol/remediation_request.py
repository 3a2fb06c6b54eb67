"""The RemediationRequest (RR) whole: its phases, what is read of it, its name and its body (kubernaut: CRDCreator)."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import UUID, uuid5

from pydantic_core import to_json

from core.common.text import cut_utf8, label_value, parse_rfc3339, rfc3339
from core.kube.errors import UnreadableAnswerError
from core.signals.rules import COOLDOWN_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from core.kube.client import Listing, Reply
    from core.kube.resources import Resource
    from core.signals.signal import NormalizedSignal

TERMINAL_PHASES = frozenset({"Completed", "Failed", "TimedOut", "Skipped", "Cancelled"})
"""Which phases end it (kubernaut: IsTerminalPhase)."""

ATTEMPT_ANNOTATION = "gateway.kubernaut.ai/attempt-id"
"""Names the attempt that created the RR, so that a creator whose answer was lost knows its own work."""

TRACE_ANNOTATION = "gateway.kubernaut.ai/trace-id"
"""The trace of the request that created the RR (W3C Trace Context): 32 hex digits."""

REQUEST_ANNOTATION = "gateway.kubernaut.ai/request-id"
"""The X-Request-ID of the request that created the RR, as its answer and its log lines have it."""

SENDER_ANNOTATION = "sluice.kubernaut.ai/sender"
"""Who sent the signal that created the RR, as the gate knows it; there is none where SLUICE_AUTH is none."""

_LABELS = "sluice.kubernaut.ai"
_FINGERPRINT_DIGITS = 12  # in a name, and in the label by which all RRs of a problem are listed

ALERT_ANNOTATION = "gateway.kubernaut.ai/alert"
"""The alert that opened the RR (core.signals.signal.alert_id); an Event leaves none."""

SIGNAL_RESOLVED = "SignalResolved"
"""Type of the condition that tells whether all alerts of the RR are resolved (core.protocol.status)."""

_COOLDOWN_DIGITS = 6  # a week of seconds

_MANUAL_REVIEW = "ManualReviewRequired"

PayloadEncoding = Literal["base64", "raw"]

OLDER_GROUP = "remediation.kubernaut.ai"
"""The older of kubernaut's two API groups: only its definition has `spec.environment` and `spec.priority`."""

_LABEL_VALUE_BYTES = 63
_ANNOTATION_VALUE_BYTES = 256 * 1024
# etcd takes 1.5 MiB. The API server answers a larger object with 500, which would be tried again for ever.
_SPEC_BYTES = 1024 * 1024
_SURELY_FITS = 64 * 1024  # however much escaping adds: no need to write it out twice to measure
_DROPPED_FIRST = ("originalPayload", "signalAnnotations", "providerData", "signalLabels")
_NAMES = UUID("5e0f3a52-7c1d-5b86-9d0e-2f4b8c6a1e37")  # fixed for ever: two versions side by side choose the same name
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")


def is_terminal_phase(phase: str) -> bool:
    """Tell whether `phase` allows a new RR for the same fingerprint.

    A whitelist: an unknown phase, an empty one, Blocked and Verifying count as active, for the worst
    an unknown phase can then do is to count a repeat where a new RR was wanted.
    """
    return phase in TERMINAL_PHASES


def holds_its_problem(
    phase: str,
    *,
    deleting: bool,
    outcome: str = "",
    next_allowed: datetime | None = None,
    ended_at: datetime | None = None,
    cooldown: float = 0.0,
    now: datetime | None = None,
) -> bool:
    """Tell whether an RR takes the signals of its fingerprint, so that no other may be created.

    Args:
        phase: `status.overallPhase`.
        deleting: whether it has a deletionTimestamp. A finalizer may keep it for a day: it is over all the same.
        outcome: `status.outcome`, or `status.completionStatus.outcome` of newer versions. Where a person has to look
            at it, the problem stays theirs after the RR has ended.
        next_allowed: `status.nextAllowedExecution`, or `status.routingStatus.nextAllowedExecution`: until then
            another RR would only be refused (kubernaut DD-WE-004).
        ended_at: when it ended, or a later moment (`ended_at`).
        cooldown: seconds after its end during which it takes signals all the same (SLUICE_COOLDOWN): an alert that
            goes on firing for a while after the remedy is not a new problem.
        now: the API server's time at which this was seen.
    """
    if deleting:
        return False
    if not is_terminal_phase(phase) or outcome == _MANUAL_REVIEW:
        return True
    if now is None:
        return False
    cooling = ended_at is not None and (now - ended_at).total_seconds() < cooldown
    return cooling or (next_allowed is not None and now < next_allowed)


def ended_at(metadata: Mapping[str, Any]) -> datetime | None:
    """Return when an ended RR's phase was set, at the latest, by the API server's clock; None where nothing tells.

    managedFields has the time of the last write of each writer. Whoever set the phase did so at that time at the
    latest, and what others write later (our counts) makes it no younger. Where nobody is said to own the phase, the
    newest write of all counts.
    """
    entries = [entry for entry in metadata.get("managedFields") or () if isinstance(entry, dict)]
    of_phase = [
        each for each in entries if "f:overallPhase" in _mapping(_mapping(each.get("fieldsV1")).get("f:status"))
    ]
    stamps = [each.get("time") for each in of_phase or entries] or [metadata.get("creationTimestamp")]
    return max((time for time in map(_time, stamps) if time), default=None)


class DeduplicationStatus(NamedTuple):
    """`status.deduplication`, the only part of the status that the gateway writes. Times are RFC 3339 text."""

    occurrence_count: int
    first_seen_at: str
    last_seen_at: str


class RemediationRequest(NamedTuple):
    """A view of one stored object; `deduplication` is None where the status has none yet.

    `severity` is the highest that came. `firing` are the alerts that fire (core.protocol.status), None where nobody
    knows; `firing_stored` is whether the status says so, not the annotation alone. `signal_resolved` is whether the
    condition is True, and `conditions` are those of others, None where they are not kept.
    """

    name: str
    namespace: str
    uid: str
    resource_version: str
    creation_timestamp: str
    fingerprint: str
    phase: str = ""
    attempt_id: str = ""
    deleting: bool = False
    holds: bool = True
    """Whether it takes signals (holds_its_problem), judged at the time of the answer that brought it."""
    deduplication: DeduplicationStatus | None = None
    severity: str = ""
    firing: frozenset[str] | None = None
    firing_stored: bool = False
    signal_resolved: bool = False
    conditions: Sequence[Mapping[str, Any]] | None = None

    @property
    def active(self) -> bool:
        """Whether it has neither ended nor begun to be deleted."""
        return not self.deleting and not is_terminal_phase(self.phase)

    @property
    def occurrences(self) -> int:
        """How many signals it stands for; without `status.deduplication` the one that created it."""
        return self.deduplication.occurrence_count if self.deduplication else 1

    @property
    def age_order(self) -> tuple[str, str]:
        """Sorts oldest first; the name decides within one second, the same way on every instance."""
        return (self.creation_timestamp, self.name)

    @classmethod
    def from_object(
        cls, obj: Mapping[str, Any], *, now: datetime | None = None, cooldown: float = 0.0
    ) -> RemediationRequest:
        """Read the API server's object, as it stood at the API server's time `now`.

        Fields of a wrong type, which a looser CRD may let in, count as absent.
        """
        metadata, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
        status = _mapping(obj.get("status"))
        annotations, deduplication = _mapping(metadata.get("annotations")), _mapping(status.get("deduplication"))
        cooldown = _cooldown(annotations, cooldown)
        count, conditions = _deduplication(deduplication), _conditions(status.get("conditions"))
        firing = _names(deduplication.get("firing"))
        phase, deleting = _text(status.get("overallPhase")), bool(metadata.get("deletionTimestamp"))
        return cls(
            name=_text(metadata.get("name")),
            namespace=_text(metadata.get("namespace")),
            uid=_text(metadata.get("uid")),
            resource_version=_text(metadata.get("resourceVersion")),
            creation_timestamp=_text(metadata.get("creationTimestamp")),
            fingerprint=_text(spec.get("signalFingerprint")),
            phase=phase,
            deleting=deleting,
            holds=_holds(
                phase,
                status,
                deleting=deleting,
                ended_at=ended_at(metadata) if cooldown and is_terminal_phase(phase) else None,
                cooldown=cooldown,
                now=now,
            ),
            attempt_id=_text(annotations.get(ATTEMPT_ANNOTATION)),
            deduplication=count,
            severity=_text(deduplication.get("highestSeverity")) or _text(spec.get("severity")),
            firing=_opened_by(annotations) if _only_implied(firing, count) else firing,
            firing_stored=firing is not None,
            signal_resolved=any(
                each.get("type") == SIGNAL_RESOLVED and each.get("status") == "True" for each in conditions
            ),
            conditions=[each for each in conditions if each.get("type") != SIGNAL_RESOLVED],
        )


def _holds(
    phase: str,
    status: Mapping[str, Any],
    *,
    deleting: bool,
    ended_at: datetime | None,
    cooldown: float,
    now: datetime | None,
) -> bool:
    if deleting or not is_terminal_phase(phase):
        return not deleting
    completion, routing = _mapping(status.get("completionStatus")), _mapping(status.get("routingStatus"))
    outcomes = (_text(status.get("outcome")), _text(completion.get("outcome")))
    times = (_time(status.get("nextAllowedExecution")), _time(routing.get("nextAllowedExecution")))
    return holds_its_problem(
        phase,
        deleting=deleting,
        outcome=_MANUAL_REVIEW if _MANUAL_REVIEW in outcomes else "",
        next_allowed=max((each for each in times if each), default=None),
        ended_at=ended_at,
        cooldown=cooldown,
        now=now,
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


def _cooldown(annotations: Mapping[str, Any], otherwise: float) -> float:
    """Return the cooldown that a rule gave the RR; a text that is not a number of seconds counts as none."""
    text = _text(annotations.get(COOLDOWN_ANNOTATION))
    return float(text) if text.isascii() and text.isdigit() and len(text) <= _COOLDOWN_DIGITS else otherwise


def is_written(count: DeduplicationStatus | None) -> bool:
    """Whether a count stands there, other than the one that the resource definition gives by default."""
    return count is not None and count.last_seen_at != ""


def _only_implied(firing: frozenset[str] | None, count: DeduplicationStatus | None) -> bool:
    """Whether only the annotation tells who fires."""
    return firing is None and not is_written(count)


def _opened_by(annotations: Mapping[str, Any]) -> frozenset[str]:
    alert = _text(annotations.get(ALERT_ANNOTATION))
    return frozenset((alert,)) if alert else frozenset()


def _names(value: object) -> frozenset[str] | None:
    return frozenset(filter(None, map(_text, value))) if isinstance(value, list) else None


def _conditions(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _time(value: object) -> datetime | None:
    try:
        return parse_rfc3339(_text(value))
    except ValueError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# Reading: an RR is believed only where it is what was asked for. Anything may answer with 200 and JSON, a proxy or
# a broken webhook. Taken for an RR of another fingerprint, such an answer to a CREATE would make the next name be
# tried, and create RR after RR.


def read_remediation_request(
    reply: Reply, *, name: str, fingerprint: str = "", cooldown: float = 0.0
) -> RemediationRequest:
    """Return the RR called `name`; `fingerprint` is given where only that one can be right.

    Raises:
        UnreadableAnswerError: it is another object, or none.
    """
    rr = RemediationRequest.from_object(reply.obj, now=reply.server_time, cooldown=cooldown)
    if rr.name != name or not _whole(rr) or fingerprint not in ("", rr.fingerprint):
        raise UnreadableAnswerError(f"the API server's answer is not RemediationRequest {name} as it was asked for")
    return rr


def read_remediation_requests(listing: Listing, *, fingerprint: str, cooldown: float = 0.0) -> list[RemediationRequest]:
    """Return the RRs in a LIST that selects `fingerprint`.

    Raises:
        UnreadableAnswerError: there is anything else among them.
    """
    now = listing.server_time
    rrs = [RemediationRequest.from_object(item, now=now, cooldown=cooldown) for item in listing.items]
    if not all(_whole(rr) and rr.fingerprint == fingerprint for rr in rrs):
        raise UnreadableAnswerError(f"the API server's list has more in it than RRs of fingerprint {fingerprint}")
    return rrs


def _whole(rr: RemediationRequest) -> bool:
    named = rr.name and rr.namespace and rr.uid and rr.resource_version
    return bool(named) and _FINGERPRINT.match(rr.fingerprint) is not None


def fenced_name(fingerprint: str, *, lease_uid: str, overwritten: str = "") -> str:
    """Return the RR's name that a Lease stands for, in kubernaut's form `rr-{fingerprint[:12]}-{8 hex}`.

    All who work under one version of the Lease choose this name, and collide on it; under another version nobody does.

    Args:
        fingerprint: 64-character SHA-256 of the problem.
        lease_uid: uid of the Lease, which the API server gives once.
        overwritten: resourceVersion of the Lease over which the name was chosen, empty where the Lease was created.
            leaseTransitions would not do: a gateway of another kind may set it back.
    """
    return f"rr-{fingerprint[:_FINGERPRINT_DIGITS]}-{uuid5(_NAMES, f'{fingerprint}/{lease_uid}/{overwritten}').hex[:8]}"


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class RemediationRequestBuilder:
    """Builds objects of one API group in one namespace."""

    resource: Resource
    namespace: str
    payload_encoding: PayloadEncoding

    def build(
        self,
        signal: NormalizedSignal,
        *,
        name: str,
        attempt_id: str,
        now: datetime,
        request_id: str = "",
        trace_id: str = "",
        sender: str = "",
    ) -> dict[str, Any]:
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
                    **_selectable(signal),
                },
                "annotations": {
                    **signal.provenance,
                    "kubernaut.ai/created-at": rfc3339(now),
                    ATTEMPT_ANNOTATION: attempt_id,
                    **_present(
                        **{REQUEST_ANNOTATION: request_id, TRACE_ANNOTATION: trace_id, SENDER_ANNOTATION: sender},
                        **{ALERT_ANNOTATION: signal.alert},
                    ),
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
                # The newer group's definition would prune these fields, or refuse them when strict.
                environment=signal.environment if self.resource.group == OLDER_GROUP else "",
                priority=signal.priority if self.resource.group == OLDER_GROUP else "",
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


def _selectable(signal: NormalizedSignal) -> dict[str, str]:
    """Return the labels by which people list RRs; what decides anything is in `spec`."""
    told = {
        "severity": signal.severity,
        "signal-type": signal.signal_type,
        "target-kind": signal.target.kind,
        "target-namespace": signal.target.namespace,
        "fingerprint": signal.fingerprint[:_FINGERPRINT_DIGITS],
    }
    return _present(**{f"{_LABELS}/{name}": label_value(text) for name, text in told.items()})


def _present(**values: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}

"""A RemediationRequest as the gateway sees it: the few fields its decisions need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.phase import is_terminal_phase

if TYPE_CHECKING:
    from collections.abc import Mapping

ATTEMPT_ANNOTATION = "gateway.kubernaut.ai/attempt-id"
"""Names the try that created the request, so that a creator whose answer was lost knows its own work."""


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

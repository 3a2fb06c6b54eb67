"""What became of each alert."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.models.metadata import DeduplicationMetadata


class Status(StrEnum):
    """Outcome of one alert, as the answer names it."""

    CREATED = "created"
    DEDUPLICATED = "deduplicated"
    IGNORED = "ignored"
    REJECTED = "rejected"
    INVALID = "invalid"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalResult:
    """One alert's line in the answer.

    `reason` is a short machine-readable word for what was ignored, rejected or invalid, and `error` a sentence for
    people. `retry_after` is in seconds and only set where it failed.
    """

    status: Status
    fingerprint: str = ""
    rr_name: str = ""
    rr_namespace: str = ""
    metadata: DeduplicationMetadata | None = None
    reason: str = ""
    error: str = ""
    retry_after: float = 0.0

    @property
    def stored(self) -> bool:
        """Whether the API server has stored what this result acknowledges."""
        return self.status in (Status.CREATED, Status.DEDUPLICATED)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a round, one result for each signal in order; `contended` is whether another instance was
    seen to write to the same request."""

    results: Sequence[SignalResult]
    contended: bool = False

"""Phases of an RR, written down once more: a mistake in the gateway's own list must not blind the judge."""

from datetime import datetime
from typing import Any

ENDED = ("Completed", "Failed", "TimedOut", "Skipped", "Cancelled")
MOVING = ("Pending", "Processing", "Analyzing", "AwaitingApproval", "Executing", "Verifying", "Blocked", "Rebalancing")
"""The last one is in no version of the CRD: an orchestrator may be newer than the gateway."""


def phase(obj: Any) -> str:
    """Return the phase of an RR, empty where it has none yet."""
    return str((obj.get("status") or {}).get("overallPhase", ""))


def dying(obj: Any) -> bool:
    """Whether an RR's object is being deleted, and a finalizer keeps it."""
    return "deletionTimestamp" in obj["metadata"]


def active(obj: Any) -> bool:
    """Whether an RR's object is at work."""
    return phase(obj) not in ENDED and not dying(obj)


def holds(obj: Any, now: datetime, *, cooldown: float = 0.0) -> bool:
    """Whether a signal of its fingerprint must join this RR's object."""
    status = obj.get("status") or {}
    until = status.get("nextAllowedExecution") or (status.get("routingStatus") or {}).get("nextAllowedExecution")
    if dying(obj):
        return False
    review = "ManualReviewRequired" in (status.get("outcome"), (status.get("completionStatus") or {}).get("outcome"))
    cooling = bool(cooldown) and (now - _phase_set_at(obj)).total_seconds() < cooldown
    return active(obj) or review or cooling or bool(until and now < datetime.fromisoformat(until))


def _phase_set_at(obj: Any) -> datetime:
    entries = obj["metadata"]["managedFields"]
    of_phase = [entry["time"] for entry in entries if "f:overallPhase" in str(entry.get("fieldsV1"))]
    return max(datetime.fromisoformat(time) for time in of_phase or [entry["time"] for entry in entries])

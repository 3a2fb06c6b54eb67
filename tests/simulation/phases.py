"""Phases of an RR, written down once more: a mistake in the gateway's own list must not blind the judge."""

from typing import Any

ENDED = ("Completed", "Failed", "TimedOut", "Skipped", "Cancelled")
MOVING = ("Pending", "Processing", "Analyzing", "AwaitingApproval", "Executing", "Verifying", "Blocked", "Rebalancing")
"""The last one is in no version of the CRD: an orchestrator may be newer than the gateway."""


def phase(obj: Any) -> str:
    """Return the phase of a request's object, empty where it has none yet."""
    return str((obj.get("status") or {}).get("overallPhase", ""))


def active(obj: Any) -> bool:
    """Whether a signal of its fingerprint must join this request's object."""
    return phase(obj) not in ENDED

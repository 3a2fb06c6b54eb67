"""Work that is stored but was not acknowledged.

A webhook that could be stored only in part is answered 503, and comes again whole. What was stored the
first time need not be stored again: the retry of the same body takes it as a credit, once. So a webhook
too large for one deadline gets done over a few deliveries instead of never, and counts stay exact.
Forgetting a credit costs one more PATCH and a count too many, never an alert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.memory import BoundedMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.clock import Clock
    from core.models.result import SignalResult

CREDIT_SECONDS = 120.0
"""Longer than Alertmanager's longest pause between two tries of one notification (60 s)."""

_Stored = dict[str, "Sequence[SignalResult]"]


class Credits:
    """Stored results by body and fingerprint; at most `capacity` alerts in all."""

    def __init__(self, *, clock: Clock, capacity: int) -> None:
        self._bodies: BoundedMemory[bytes, _Stored] = BoundedMemory(
            clock=clock, capacity=capacity, max_age=CREDIT_SECONDS, weigh=_alerts
        )

    def take(self, body: bytes) -> _Stored:
        """Return what an earlier delivery of `body` (its digest) stored, and forget it."""
        return self._bodies.pop(body) or {}

    def keep(self, body: bytes, stored: Mapping[str, Sequence[SignalResult]]) -> None:
        """Remember what was stored of `body` although it is not acknowledged; an empty digest is nobody's.

        A sender that goes on to another instance never asks for it.
        """
        if body:
            self._bodies.put(body, dict(stored))


def _alerts(stored: Mapping[str, Sequence[SignalResult]]) -> int:
    return sum(len(results) for results in stored.values())

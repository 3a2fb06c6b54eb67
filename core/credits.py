"""Work that is stored but was not acknowledged.

A webhook that could be stored only in part is answered 503, and comes again whole. What was stored the
first time need not be stored again: the retry of the same body takes it as a credit, once. So a webhook
too large for one deadline gets done over a few deliveries instead of never, and counts stay exact.
Forgetting a credit costs one more PATCH and a count too many, never an alert.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

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
        self._clock = clock
        self._capacity = capacity
        self._alerts = 0
        self._bodies: OrderedDict[bytes, tuple[float, _Stored]] = OrderedDict()

    def take(self, body: bytes) -> _Stored:
        """Return what an earlier delivery of `body` (its digest) stored, and forget it."""
        kept_at, stored = self._bodies.pop(body, (0.0, {}))
        self._alerts -= _alerts(stored)
        return stored if self._clock.monotonic() - kept_at <= CREDIT_SECONDS else {}

    def keep(self, body: bytes, stored: Mapping[str, Sequence[SignalResult]]) -> None:
        """Remember what was stored of `body` although it is not acknowledged; an empty digest is nobody's."""
        if not body:
            return
        self.take(body)
        now = self._clock.monotonic()
        self._bodies[body] = (now, dict(stored))
        self._alerts += _alerts(stored)
        # A sender that goes on to another instance never asks for what is kept here.
        while self._bodies and (self._alerts > self._capacity or now - self._oldest_kept_at() > CREDIT_SECONDS):
            _, (_, oldest) = self._bodies.popitem(last=False)
            self._alerts -= _alerts(oldest)

    def _oldest_kept_at(self) -> float:
        kept_at, _ = next(iter(self._bodies.values()))
        return kept_at


def _alerts(stored: Mapping[str, Sequence[SignalResult]]) -> int:
    return sum(len(results) for results in stored.values())

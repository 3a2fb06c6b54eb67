"""Deliveries that were stored a moment ago, so that the same one sent again is not counted again.

Forgetting one costs a count too many, never a signal: only what was stored is remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.clock import Clock

REMEMBERED_DELIVERIES = 10_000
REMEMBERED_SECONDS = 600.0
"""Longer than a Broker's or a push subscription's retries of one delivery, as they are by default."""


class Redeliveries:
    """A bounded set of keys with an age; the oldest goes first."""

    def __init__(self, *, clock: Clock, capacity: int = REMEMBERED_DELIVERIES) -> None:
        self._clock = clock
        self._capacity = capacity
        self._stored_at: OrderedDict[bytes, float] = OrderedDict()

    def known(self, key: bytes) -> bool:
        """Tell whether `key` was stored lately; an empty one never was."""
        stored_at = self._stored_at.get(key)
        return stored_at is not None and self._clock.monotonic() - stored_at <= REMEMBERED_SECONDS

    def remember(self, key: bytes) -> None:
        """Note that what `key` stands for is stored."""
        if not key:
            return
        self._stored_at[key] = self._clock.monotonic()
        self._stored_at.move_to_end(key)
        if len(self._stored_at) > self._capacity:
            self._stored_at.popitem(last=False)

"""Deliveries that were stored a moment ago, so that the same one sent again is not counted again.

Forgetting one costs a count too many, never a signal: only what was stored is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.common.memory import BoundedMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.common.clock import Clock

REMEMBERED_DELIVERIES = 10_000
REMEMBERED_SECONDS = 600.0
"""Longer than a Broker's or a push subscription's retries of one delivery, as they are by default."""


class Redeliveries:
    """A bounded set of keys with an age; the oldest goes first."""

    def __init__(self, *, clock: Clock, capacity: int = REMEMBERED_DELIVERIES) -> None:
        self._stored: BoundedMemory[bytes, Sequence[str]] = BoundedMemory(
            clock=clock, capacity=capacity, max_age=REMEMBERED_SECONDS
        )

    def known(self, key: bytes) -> bool:
        """Tell whether `key` was stored lately; an empty one never was."""
        return self._stored.get(key) is not None

    def owed(self, key: bytes) -> Sequence[str]:
        """Return why parts of a known delivery are still to be put aside; nothing where none are."""
        return self._stored.get(key) or ()

    def remember(self, key: bytes, *, owed: Sequence[str] = ()) -> None:
        """Note that what `key` stands for is stored, but for the parts that are `owed` to the dead letters."""
        if key:
            self._stored.put(key, owed)

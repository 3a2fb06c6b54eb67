"""A short, bounded memory whose misses are read once, however many ask at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakValueDictionary

from core.memory import BoundedMemory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from core.clock import Clock

NOTHING_SECONDS = 30.0

Key = TypeVar("Key", bound="Hashable")
Value = TypeVar("Value")


class ShortMemory(Generic[Key, Value]):
    """Values with the moment they were read; the least recently used one goes first.

    A read that fails is not remembered, so the next one who asks reads again. That there is nothing (None)
    is remembered for `nothing_for` seconds at most.
    """

    def __init__(self, *, clock: Clock, capacity: int, nothing_for: float = NOTHING_SECONDS) -> None:
        self._clock = clock
        self._nothing_for = nothing_for
        self._longest = 0.0
        # Each value in a tuple of its own: None is a value too.
        self._kept: BoundedMemory[Key, tuple[Value]] = BoundedMemory(
            clock=clock, capacity=capacity, max_age=self._limit, by_use=True
        )
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: Key, *, max_age: float, read: Callable[[], Awaitable[Value]]) -> Value:
        """Return the value of `key`, read anew where it is older than `max_age` seconds."""
        self._longest = max(self._longest, max_age)
        kept = self._kept.get(key, max_age=max_age)
        if kept is not None:
            return kept[0]
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        async with turn:
            kept = self._kept.get(key, max_age=max_age)
            return kept[0] if kept is not None else await self._read(key, read)

    async def _read(self, key: Key, read: Callable[[], Awaitable[Value]]) -> Value:
        started = self._clock.monotonic()
        value = await read()
        self._kept.put(key, (value,), at=started)
        return value

    def _limit(self, kept: tuple[Value]) -> float:
        # Too old for anybody who asks: after a burst on new workloads that is most of what is here.
        return self._longest if kept[0] is not None else min(self._longest, self._nothing_for)

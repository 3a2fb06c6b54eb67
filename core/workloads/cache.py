"""A short, bounded memory whose misses are read once, however many ask at the same time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakValueDictionary

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
        self._capacity = capacity
        self._nothing_for = nothing_for
        self._longest = 0.0
        self._kept: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: Key, *, max_age: float, read: Callable[[], Awaitable[Value]]) -> Value:
        """Return the value of `key`, read anew where it is older than `max_age` seconds."""
        self._longest = max(self._longest, max_age)
        kept = self._fresh(key, max_age)
        if kept is not None:
            return kept[1]
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        async with turn:
            kept = self._fresh(key, max_age)
            return kept[1] if kept is not None else await self._read(key, read)

    async def _read(self, key: Key, read: Callable[[], Awaitable[Value]]) -> Value:
        started = self._clock.monotonic()
        value = await read()
        self._kept[key] = (started, value)
        self._kept.move_to_end(key)
        self._drop_old()
        return value

    def _drop_old(self) -> None:
        # Too old for anybody who asks: after a burst on new workloads that is most of what is here.
        while self._kept and (len(self._kept) > self._capacity or self._old(next(iter(self._kept)), self._longest)):
            self._kept.popitem(last=False)

    def _old(self, key: Key, max_age: float) -> bool:
        read_at, value = self._kept[key]
        limit = max_age if value is not None else min(max_age, self._nothing_for)
        return self._clock.monotonic() - read_at > limit

    def _fresh(self, key: Key, max_age: float) -> tuple[float, Value] | None:
        if key not in self._kept or self._old(key, max_age):
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

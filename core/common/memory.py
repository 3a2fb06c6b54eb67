"""What an instance remembers to save calls, bounded in size and age, and what it keeps for one event loop.

Forgetting costs a call, never a mistake.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterator

    from core.common.clock import Clock

Key = TypeVar("Key", bound="Hashable")
Value = TypeVar("Value")


class BoundedMemory(Generic[Key, Value]):
    """Values by key. What was put in longest ago goes first; where `by_use`, what was used longest ago.

    Args:
        clock: source of monotonic time.
        capacity: how much is kept: entries, or what `weigh` makes of their values.
        max_age: seconds after which a value is not handed out any more, or tells them from the value.
        weigh: what one value counts towards the capacity.
        by_use: whether getting a value makes it the newest; its age stays.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        capacity: int,
        max_age: float | Callable[[Value], float] = float("inf"),
        weigh: Callable[[Value], int] = lambda _: 1,
        by_use: bool = False,
    ) -> None:
        self._clock = clock
        self._capacity = capacity
        self._max_age = max_age
        self._weigh = weigh
        self._by_use = by_use
        self._weight = 0
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        """Yield the keys, the one that goes first first; some may be too old to be handed out."""
        return iter(self._entries)

    def get(self, key: Key, *, max_age: float = float("inf")) -> Value | None:
        """Return the value of `key`, or None where there is none or it is older than `max_age` seconds."""
        entry = self._entries.get(key)
        if entry is None or self._age(entry) > min(max_age, self._limit(entry)):
            return None
        if self._by_use:
            self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: Key, value: Value, *, at: float | None = None) -> None:
        """Remember `value` as of now, or of the moment `at` on the clock; drop what is too much or too old."""
        self.pop(key)
        self._entries[key] = (self._clock.monotonic() if at is None else at, value)
        self._weight += self._weigh(value)
        while self._entries and (self._weight > self._capacity or self._first_is_old()):
            self.pop(next(iter(self._entries)))

    def pop(self, key: Key) -> Value | None:
        """Forget `key`, and return its value unless it was too old."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._weight -= self._weigh(entry[1])
        return entry[1] if self._age(entry) <= self._limit(entry) else None

    def _first_is_old(self) -> bool:
        entry = next(iter(self._entries.values()))
        return self._age(entry) > self._limit(entry)

    def _age(self, entry: tuple[float, Value]) -> float:
        return self._clock.monotonic() - entry[0]

    def _limit(self, entry: tuple[float, Value]) -> float:
        return self._max_age(entry[1]) if callable(self._max_age) else self._max_age


NOTHING_SECONDS = 30.0


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
        """Return the value of `key`; read it again where it is older than `max_age` seconds."""
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
        # Drop what is too old for every caller: after a burst on new workloads that is most of the contents.
        return self._longest if kept[0] is not None else min(self._longest, self._nothing_for)


class Closable(Protocol):
    """Something that holds connections."""

    async def close(self) -> None:
        """Give them back."""


Lasting = TypeVar("Lasting", bound=Closable)


class PerLoop(Generic[Lasting]):
    """Builds a value once in each loop, also when many requests ask at the same moment."""

    def __init__(self, build: Callable[[], Awaitable[Lasting]]) -> None:
        self._build = build
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._value: Lasting | None = None
        self._keeper: AsyncGenerator[Lasting, None] | None = None

    async def get(self) -> Lasting:
        """Return this loop's value. What building raises is raised here, and the next call builds anew."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._lock, self._value = loop, asyncio.Lock(), None
        if self._value is None:
            async with self._lock:
                if self._value is None:
                    self._keeper = _kept(await self._build())
                    self._value = await anext(self._keeper)
        return self._value


async def _kept(value: Lasting) -> AsyncGenerator[Lasting, None]:
    try:
        yield value
    finally:
        await value.close()

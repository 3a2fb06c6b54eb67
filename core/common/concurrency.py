"""Helpers for asyncio: long work in steps, and values that belong to an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from core.errors import DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from core.common.clock import Clock, Deadline

T = TypeVar("T")
R = TypeVar("R")

STEPS_IN_A_ROW = 50
"""Alerts worked on before others get their turn: a few milliseconds."""


async def paced(items: Iterable[T], *, deadline: Deadline) -> AsyncIterator[T]:
    """Yield `items`, with a turn for others every STEPS_IN_A_ROW.

    Raises:
        DeadlineExceededError: nobody waits for the answer any more.
    """
    for number, item in enumerate(items, 1):
        yield item
        if number % STEPS_IN_A_ROW == 0:
            if deadline.passed:
                raise DeadlineExceededError("the request's time ended before all its alerts were read")
            await asyncio.sleep(0)


async def side_by_side(items: Sequence[T], work: Callable[[T], Awaitable[R]], *, at_once: int) -> list[R]:
    """Return the results of `work` on each item, in order; at most `at_once` at a time.

    One alone, the most frequent case, needs no task of its own.
    """
    if len(items) == 1:
        return [await work(items[0])]
    results: dict[int, R] = {}
    waiting = iter(enumerate(items))

    async def work_on() -> None:
        for index, item in waiting:
            results[index] = await work(item)
            if (index + 1) % STEPS_IN_A_ROW == 0:
                await asyncio.sleep(0)

    workers = [asyncio.create_task(work_on()) for _ in range(min(at_once, len(items)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
    return [results[index] for index in range(len(items))]


class Allowance:
    """So many a second, and at most `at_once` that were not used before (a token bucket)."""

    def __init__(self, *, clock: Clock, per_second: float, at_once: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._at_once = self._left = float(at_once)
        self._as_of = clock.monotonic()

    def take(self) -> bool:
        """Take one; False where there is none at the moment."""
        now = self._clock.monotonic()
        self._left = min(self._at_once, self._left + (now - self._as_of) * self._per_second)
        self._as_of = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def give_back(self) -> None:
        """Give back one that was not needed."""
        self._left = min(self._at_once, self._left + 1.0)


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

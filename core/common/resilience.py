"""Patterns of resilience: they keep an instance, and the API server behind it, from being overloaded.

- a moment after which nobody waits any more (`Deadline`);
- retries that wait longer each time (`Backoff`);
- so many bytes, alerts and tries at a time (`ByteBudget`, `side_by_side` and `paced`, `TokenBucket`);
- no calls while the API server fails (`CircuitBreaker`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeVar

from core.errors import CircuitOpenError, DeadlineExceededError, OverloadedError, told_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence

    from core.common.clock import Clock

T = TypeVar("T")
R = TypeVar("R")

Random = Callable[[], float]
"""Returns a float in [0, 1), such as `random.random`."""


class Deadline:
    """A moment after which nobody waits for the answer any more."""

    def __init__(self, *, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._at = self._started + seconds

    def remaining(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self._at - self._clock.monotonic())

    @property
    def elapsed(self) -> float:
        """The seconds since it was set, which is when the request came."""
        return self._clock.monotonic() - self._started

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self._clock.monotonic() >= self._at


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """An exponential wait. Durations are seconds; `jitter` is the fraction by which a wait may differ (1: from
    nothing to twice as long), `steps` how many tries are made in all, the first one included."""

    steps: int
    duration: float
    factor: float
    jitter: float
    cap: float = float("inf")

    def __post_init__(self) -> None:
        if self.steps < 1 or self.duration <= 0 or self.factor < 1 or not 0 <= self.jitter <= 1:
            message = f"backoff cannot work: {self}; wanted steps >= 1, duration > 0, factor >= 1, 0 <= jitter <= 1"
            raise ValueError(message)

    def delay(self, tries: int, *, random: Random) -> float:
        """Return the seconds to wait after try number `tries` (from 1) has failed."""
        base = min(self.duration * self.factor ** (tries - 1), self.cap)
        return base * (1 + self.jitter * (2 * random() - 1))


class ByteBudget:
    """`limit` bytes of one event loop, given out in the order in which they were asked for.

    Args:
        limit: bytes; a holder that asks for more gets all of them, and has them alone.
        doing: what this instance does with them, in words for people.
        observe: told how many are held, whenever that changes.
    """

    def __init__(
        self,
        *,
        limit: int,
        doing: str = "works on {} bytes of bodies",
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._limit = limit
        self._doing = doing
        self._held = 0
        self._observe = observe
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def limit(self) -> int:
        """Bytes that there are."""
        return self._limit

    @property
    def held(self) -> int:
        """Bytes given out now."""
        return self._held

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Lend a share that starts with nothing and is given back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self._give_back(share.size)

    async def take(self, size: int, *, timeout: float) -> None:
        """Wait until `size` bytes are free and nobody waits for longer.

        Raises:
            OverloadedError: they were not within `timeout` seconds.
        """
        if not self._waiting and self._held + size <= self._limit:
            self._hold(size)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(timeout):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give_back(size)  # granted in the moment in which the wait ended
            else:
                self._waiting.remove((size, turn))
                self._serve_next()
            if isinstance(error, TimeoutError):
                raise OverloadedError(
                    f"this instance {self._doing.format(self._held)}, and {size} more did not get their turn in "
                    f"{timeout:.1f} s; send the same request again"
                ) from None
            raise

    def _hold(self, more: int) -> None:
        self._held += more
        self._observe(self._held)

    def _give_back(self, size: int) -> None:
        self._hold(-size)
        self._serve_next()

    def _serve_next(self) -> None:
        while self._waiting and self._held + self._waiting[0][0] <= self._limit:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._hold(size)
                turn.set_result(None)


class Share:
    """What one holder has of a budget."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.size = 0

    async def grow(self, size: int, *, timeout: float) -> None:
        """Have `size` bytes at least. See ByteBudget.take."""
        size = min(size, self._budget.limit)
        if size > self.size:
            await self._budget.take(size - self.size, timeout=timeout)
            self.size = size


class TokenBucket:
    """So many tokens a second; at most `capacity` that were not used before are kept."""

    def __init__(self, *, clock: Clock, per_second: float, capacity: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._capacity = self._left = float(capacity)
        self._as_of = clock.monotonic()

    def take(self) -> bool:
        """Take a token; False where there is none at the moment."""
        now = self._clock.monotonic()
        self._left = min(self._capacity, self._left + (now - self._as_of) * self._per_second)
        self._as_of = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def give_back(self) -> None:
        """Give back a token that was not needed."""
        self._left = min(self._capacity, self._left + 1.0)


STEPS_IN_A_ROW = 50
"""Items worked on before other tasks get their turn: a few milliseconds."""


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


class BreakerState(IntEnum):
    """Values of the `gateway_circuit_breaker_state` metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitBreaker:
    """Guards calls to the API server: counts the share of failures in a sliding window.

    Closed: calls pass. Open: calls are refused at once. Half-open: a few probes pass; all must succeed to close, one
    failure opens again.

    Args:
        clock: source of monotonic time.
        failure_ratio: share of failures that opens it.
        min_calls: how many calls the window must hold before that share counts.
        window: seconds a call is remembered.
        open_seconds: how long it stays open before probes.
        probes: calls let through when half-open.
        on_change: called with each new state.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        failure_ratio: float = 0.5,
        min_calls: int = 10,
        window: float = 10.0,
        open_seconds: float = 30.0,
        probes: int = 3,
        on_change: Callable[[BreakerState], None] = lambda _state: None,
    ) -> None:
        self._clock = clock
        self._failure_ratio = failure_ratio
        self._min_calls = min_calls
        self._window = window
        self._open_seconds = open_seconds
        self._probes = probes
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._calls: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._opened_at = 0.0
        self._cause = ("", "")  # of the last failure: for the log, and what a sender may read
        self._probes_started = 0
        self._probes_passed = 0

    @property
    def state(self) -> BreakerState:
        """The state now; an open breaker turns half-open by the next call, not by itself."""
        return self._state

    @contextmanager
    def guard(self, *, failed: Callable[[BaseException], bool | None]) -> Iterator[None]:
        """Let one call through and learn from it.

        Args:
            failed: tells whether an exception is the API server's failure or an answer like any other; None where it
                says nothing of the API server.

        Raises:
            CircuitOpenError: the breaker is open; nothing was called.
        """
        self._admit()
        probing = self._state is BreakerState.HALF_OPEN
        try:
            yield
        except BaseException as error:
            failure = failed(error) if isinstance(error, Exception) else None
            if failure is not None:
                self._cause = (str(error), told_of(error)) if failure else self._cause
                self._record(failure=failure, probing=probing)
            elif probing:
                self._probes_started -= 1
            raise
        self._record(failure=False, probing=probing)

    def _admit(self) -> None:
        if self._state is BreakerState.OPEN:
            waited = self._clock.monotonic() - self._opened_at
            if waited < self._open_seconds:
                raise self._refusal(self._open_seconds - waited)
            self._probes_started = self._probes_passed = 0
            self._turn(BreakerState.HALF_OPEN)
        if self._state is BreakerState.HALF_OPEN:
            if self._probes_started >= self._probes:
                raise self._refusal(1.0)
            self._probes_started += 1

    def _refusal(self, seconds: float) -> CircuitOpenError:
        often = "the circuit breaker is open: the Kubernetes API failed too often a moment ago; the last failure"
        cause, told = self._cause
        return CircuitOpenError(f"{often}: {cause}", told=f"{often}: {told}", retry_after=max(1.0, seconds))

    def _record(self, *, failure: bool, probing: bool) -> None:
        if probing:
            self._record_probe(failure=failure)
        elif self._state is BreakerState.CLOSED:
            self._record_call(failure=failure)

    def _record_probe(self, *, failure: bool) -> None:
        if self._state is not BreakerState.HALF_OPEN:
            return
        if failure:
            self._open()
            return
        self._probes_passed += 1
        if self._probes_passed >= self._probes:
            self._forget()
            self._turn(BreakerState.CLOSED)

    def _record_call(self, *, failure: bool) -> None:
        now = self._clock.monotonic()
        self._calls.append((now, failure))
        self._failures += failure
        while now - self._calls[0][0] > self._window:
            self._failures -= self._calls.popleft()[1]
        if len(self._calls) >= self._min_calls and self._failures >= self._failure_ratio * len(self._calls):
            self._open()

    def _open(self) -> None:
        self._opened_at = self._clock.monotonic()
        self._forget()
        self._turn(BreakerState.OPEN)

    def _forget(self) -> None:
        self._calls.clear()
        self._failures = 0

    def _turn(self, state: BreakerState) -> None:
        self._state = state
        self._on_change(state)

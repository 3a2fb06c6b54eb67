"""Joins signals of one fingerprint inside one instance.

The first signal starts a round; those that arrive while it is in flight wait together and form the next
one, so a storm on one fingerprint costs one PATCH per round and never races with itself. Memory only:
another instance has rounds of its own, and the protocol keeps the two right.

Where both are at it, the one that wrote last could always go on at once, while the other, which has to read before
it writes, meets one conflict after another. So whoever has met one pauses after its rounds: that lets the other in.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.common.backoff import Backoff
from core.errors import DeadlineExceededError
from core.results import failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.common.backoff import Random
    from core.common.clock import Clock, Deadline
    from core.results import Recorded, SignalResult
    from core.signals.signal import NormalizedSignal

PAUSE_AFTER_CONFLICT = Backoff(steps=3, duration=0.020, factor=1.0, jitter=0.5)
"""After each of so many rounds, the one that met a conflict included (docs/performance.md)."""


class Record(Protocol):
    """Stores signals that share a fingerprint and never raises (core.protocol.recorder.Recorder.record)."""

    async def __call__(self, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> Recorded:
        """Return one result for each signal, in order."""


class RoundObserver(Protocol):
    """Told of each round that has ended."""

    def __call__(self, *, signals: int, contended: bool) -> None:
        """`contended`: another instance was seen to write to the same RR."""


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    signals: Sequence[NormalizedSignal]
    deadline: Deadline
    results: asyncio.Future[Sequence[SignalResult]]


class Rounds:
    """Runs at most one round for each fingerprint, and at most `max_concurrent` rounds in all."""

    def __init__(
        self,
        *,
        record: Record,
        max_concurrent: int,
        clock: Clock,
        random: Random,
        observe: RoundObserver = lambda **_: None,
    ) -> None:
        self._record = record
        self._observe = observe
        self._clock = clock
        self._random = random
        self._slots = asyncio.Semaphore(max_concurrent)
        self._waiting: dict[str, list[_Ticket]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> Sequence[SignalResult]:
        """Store signals that share a fingerprint in the next round; one result each, in order.

        The round goes on when this caller's deadline passes: what it still stores is counted as a repeat
        when the sender tries again.
        """
        ticket = _Ticket(signals, deadline, asyncio.get_running_loop().create_future())
        self._enqueue(signals[0].fingerprint, ticket)
        try:
            async with asyncio.timeout(deadline.remaining()):
                return await ticket.results
        except TimeoutError:
            late = DeadlineExceededError("the request's time ended before the API server had stored this alert")
            return [failure(late, fingerprint=signal.fingerprint) for signal in signals]

    async def drain(self) -> None:
        """Wait until no round is in flight."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _enqueue(self, fingerprint: str, ticket: _Ticket) -> None:
        waiting = self._waiting.get(fingerprint)
        if waiting is not None:
            waiting.append(ticket)
            return
        self._waiting[fingerprint] = [ticket]
        task = asyncio.create_task(self._run(fingerprint))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, fingerprint: str) -> None:
        pauses = 0
        try:
            while self._waiting[fingerprint]:
                async with self._slots:
                    # Taken only now: while it waited for a slot, more have joined.
                    tickets, self._waiting[fingerprint] = self._waiting[fingerprint], []
                    contended = await self._round(_still_waiting(tickets))
                # Those whose bytes have arrived meanwhile join too: one PATCH adds them all.
                await asyncio.sleep(0)
                pauses = PAUSE_AFTER_CONFLICT.steps if contended else pauses - 1
                if pauses > 0:
                    await self._clock.sleep(PAUSE_AFTER_CONFLICT.delay(1, random=self._random))
        finally:
            del self._waiting[fingerprint]

    async def _round(self, tickets: list[_Ticket]) -> bool:
        if not tickets:
            return False
        signals = [signal for ticket in tickets for signal in ticket.signals]
        latest = max((ticket.deadline for ticket in tickets), key=lambda deadline: deadline.remaining())
        try:
            recorded = await self._record(signals, deadline=latest)
        except Exception as bug:  # noqa: BLE001 - each waiting request gets it, and logs it with its trace
            for ticket in _still_waiting(tickets):
                ticket.results.set_exception(bug)
            return False
        self._observe(signals=len(signals), contended=recorded.contended)
        start = 0
        for ticket in tickets:
            end = start + len(ticket.signals)
            if not ticket.results.done():
                ticket.results.set_result(recorded.results[start:end])
            start = end
        return recorded.contended


def _still_waiting(tickets: Sequence[_Ticket]) -> list[_Ticket]:
    return [ticket for ticket in tickets if not ticket.results.done()]

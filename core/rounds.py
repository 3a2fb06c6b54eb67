"""Joins signals of one fingerprint inside one instance.

The first signal starts a round; those that arrive while it is in flight wait together and form the next
one, so a storm on one fingerprint costs one PATCH per round and never races with itself. Memory only:
another instance has rounds of its own, and the protocol keeps the two right.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.errors import DeadlineExceededError
from core.verdict import failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.clock import Deadline
    from core.models.result import SignalResult
    from core.models.signal import NormalizedSignal


class Record(Protocol):
    """Stores signals that share a fingerprint and never raises (core.recorder.Recorder.record)."""

    async def __call__(self, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> list[SignalResult]:
        """Return one result for each signal, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    signals: Sequence[NormalizedSignal]
    deadline: Deadline
    results: asyncio.Future[Sequence[SignalResult]]


class Rounds:
    """Runs at most one round for each fingerprint, and at most `max_concurrent` rounds in all."""

    def __init__(self, *, record: Record, max_concurrent: int) -> None:
        self._record = record
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
        try:
            while self._waiting[fingerprint]:
                async with self._slots:
                    # Taken only now: while it waited for a slot, more have joined.
                    tickets, self._waiting[fingerprint] = self._waiting[fingerprint], []
                    await self._round(_still_waiting(tickets))
                # Those whose bytes have arrived meanwhile join too: one PATCH adds them all.
                await asyncio.sleep(0)
        finally:
            del self._waiting[fingerprint]

    async def _round(self, tickets: list[_Ticket]) -> None:
        if not tickets:
            return
        signals = [signal for ticket in tickets for signal in ticket.signals]
        latest = max((ticket.deadline for ticket in tickets), key=lambda deadline: deadline.remaining())
        try:
            results = await self._record(signals, deadline=latest)
        except Exception as bug:  # noqa: BLE001 - each waiting request gets it, and logs it with its trace
            for ticket in _still_waiting(tickets):
                ticket.results.set_exception(bug)
            return
        start = 0
        for ticket in tickets:
            end = start + len(ticket.signals)
            if not ticket.results.done():
                ticket.results.set_result(results[start:end])
            start = end


def _still_waiting(tickets: Sequence[_Ticket]) -> list[_Ticket]:
    return [ticket for ticket in tickets if not ticket.results.done()]

"""Records signals of one fingerprint, in rounds: the whole protocol, from memory to the count on the status.

The first signal starts a round; those that arrive while it is in flight wait together and form the next
one, so a storm on one fingerprint costs one PATCH per round and never races with itself. Memory only:
another instance has rounds of its own, and the protocol keeps the two right.

Where both are at it, the one that wrote last could always go on at once, while the other, which has to read before
it writes, meets one conflict after another. So whoever has met one pauses after its rounds: that lets the other in.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.common.memory import BoundedMemory
from core.common.resilience import Backoff
from core.common.text import rfc3339
from core.common.trace_context import NO_SPAN, NO_TRACER, OF_A_REQUEST, current_span
from core.errors import DeadlineExceededError, DeduplicationError, SluiceError
from core.kube.errors import ConflictError, KubernetesError
from core.protocol.placement import Place
from core.protocol.status import Counted, changes_by
from core.results import DeduplicationMetadata, Recorded, SignalResult, Status, failure, resolved

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from contextvars import Context
    from datetime import datetime

    from core.common.clock import Clock
    from core.common.resilience import Deadline, Random
    from core.common.trace_context import Span, Tracer
    from core.protocol.placement import Placement
    from core.protocol.remediation_request import RemediationRequest
    from core.protocol.status import StatusUpdater
    from core.signals.signal import NormalizedSignal

PAUSE_AFTER_CONFLICT = Backoff(steps=3, duration=0.020, factor=1.0, jitter=0.5)
"""After each of so many rounds, the one that met a conflict included (docs/performance.md)."""


class RemediationRequestMemory:
    """RRs seen lately, so that a repeat needs no LIST: a bounded map from fingerprint to the RR last seen active; the
    least recently used one goes first.

    Wrong contents cost a call, never a mistake: the PATCH that uses them carries their resourceVersion, and another
    problem's RR is never handed out.
    """

    def __init__(self, *, clock: Clock, capacity: int) -> None:
        self._rrs: BoundedMemory[str, RemediationRequest] = BoundedMemory(clock=clock, capacity=capacity, by_use=True)

    def get(self, fingerprint: str) -> RemediationRequest | None:
        """Return the remembered RR, or None."""
        rr = self._rrs.get(fingerprint)
        if rr is None or rr.fingerprint != fingerprint:
            return None
        return rr

    def remember(self, rr: RemediationRequest) -> None:
        """Keep an active RR; a terminal one is forgotten instead."""
        if rr.conditions:  # of any size: who writes conditions reads those of others again
            rr = rr._replace(conditions=None)
        if not rr.active:  # an RR that has ended holds its problem for a time only: it is looked up each time
            self.forget(rr.fingerprint)
            return
        self._rrs.put(rr.fingerprint, rr)

    def forget(self, fingerprint: str) -> None:
        """Drop what is remembered of a fingerprint."""
        self._rrs.pop(fingerprint)


class Created(Protocol):
    """Told of each RR that was created, once its signals' fate is decided (core.protocol.rr_events.RREventWriter)."""

    def __call__(self, rr: RemediationRequest, signal: NormalizedSignal, /) -> None:
        """`signal` is the one that opened it. Must not wait, nor raise."""


class Recorder:
    """Records one round. Rounds lets one at a time work on a fingerprint; any number of instances work at once."""

    def __init__(
        self,
        *,
        placement: Placement,
        status: StatusUpdater,
        memory: RemediationRequestMemory,
        write_first_count: bool,
        tells_resolved: bool,
        namespace: str,
        clock: Clock,
        listeners: Sequence[Created] = (),
    ) -> None:
        self._listeners = listeners
        self._placement = placement
        self._status = status
        self._memory = memory
        self._write_first_count = write_first_count
        self._tells_resolved = tells_resolved
        self._namespace = namespace
        self._clock = clock

    async def record(self, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> Recorded:
        """Store signals that share a fingerprint, and tell their RR which are resolved; one result each, in order.

        Never raises: whatever went wrong is in the results.
        """
        if not any(signal.resolved for signal in signals):
            return await self._record(signals, signals, deadline=deadline)
        firing = [signal for signal in signals if not signal.resolved]
        if not firing:
            return await self._resolve(signals, deadline=deadline)
        recorded = await self._record(firing, signals, deadline=deadline)
        of_firing = iter(recorded.results)
        results = [resolved(signal) if signal.resolved else next(of_firing) for signal in signals]
        return Recorded(results, recorded.contended)

    async def _record(
        self, signals: Sequence[NormalizedSignal], alerts: Sequence[NormalizedSignal], *, deadline: Deadline
    ) -> Recorded:
        """Store signals that fire; `alerts` are these and the resolved ones among them."""
        results: list[SignalResult] = []
        contended = False
        start = self._clock.now()
        over: RemediationRequest | None = None
        late = ""
        try:
            while len(results) < len(signals):
                rest = signals[len(results) :]
                place = await self._place(rest[0], over, deadline)
                # The next RR is not told of what was resolved before it.
                of_rest = _since(rest[0], alerts) if results else alerts
                recorded, late = await self._record_round(rest, of_rest, place, late, deadline=deadline)
                results += recorded.results
                contended |= recorded.contended
                over = place.rr  # the RR takes no more signals: that is why some are left
        except KubernetesError as error:
            results += _failures(signals[len(results) :], self._explained(signals[0], start, error))
            contended |= _contended(error)
        except SluiceError as error:
            results += _failures(signals[len(results) :], error)
        return Recorded(results, contended)

    async def _resolve(self, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> Recorded:
        """Tell the active RR that alerts are resolved; where there is none, nothing is written."""
        fingerprint, start = signals[0].fingerprint, self._clock.now()
        try:
            rr = await self._to_be_told(signals, deadline)
            counted = await self._status.tell(rr, signals, deadline=deadline) if rr else None
        except KubernetesError as error:
            return Recorded(_failures(signals, self._explained(signals[0], start, error)), _contended(error))
        except SluiceError as error:
            return Recorded(_failures(signals, error))
        if counted and counted.stored and counted.rr:
            self._memory.remember(counted.rr)
        elif counted:
            self._memory.forget(fingerprint)
        return Recorded([resolved(signal) for signal in signals], contended=bool(counted and counted.conflicts))

    async def _to_be_told(self, signals: Sequence[NormalizedSignal], deadline: Deadline) -> RemediationRequest | None:
        """Resolved: return the active RR, if `signals` change anything of it.

        What is remembered of it, or what a cache that trails shows, may not have the alert yet that is resolved now:
        where that says that there is nothing to tell, etcd is asked.
        """
        fingerprint, now = signals[0].fingerprint, self._clock.now()
        known = self._memory.get(fingerprint)
        if known and changes_by(known, signals, now=now):
            return known
        view = await self._placement.checker.look(fingerprint, consistent=True, deadline=deadline)
        return view.holding if view.holding and changes_by(view.holding, signals, now=now) else None

    def _explained(self, signal: NormalizedSignal, start: datetime, error: KubernetesError) -> DeduplicationError:
        return DeduplicationError(
            fingerprint=signal.fingerprint,
            namespace=self._namespace,
            dedupe_status="unknown",
            attempts=1,
            start_time=start,
            now=self._clock.now(),
            underlying=error,
        )

    async def _record_round(
        self,
        signals: Sequence[NormalizedSignal],
        alerts: Sequence[NormalizedSignal],
        place: Place,
        late: str,
        *,
        deadline: Deadline,
    ) -> tuple[Recorded, str]:
        """Store as many of `signals` as one RR takes.

        All of them; or only the first, where the RR it created ended before the others were counted;
        or none, where the RR in view turned out to be over.

        Returns:
            The results, and the uid of the RR where it took the count although it was over by then, else an empty text.
            Where another API server's clock says that this RR still holds, the signals must not be counted on it twice:
            the next round gets that uid as `late`.
        """
        extra = 0 if place.rr.uid == late else len(signals) - place.created
        counted = await self._count_and_finish(place, extra, alerts, deadline=deadline)
        contended = _contended(counted)
        if place.created:
            for listener in self._listeners:
                listener(place.rr, signals[0])
        if isinstance(counted, Counted) and counted.stored and counted.rr is not None:
            self._memory.remember(counted.rr)
            return Recorded(_stored(signals, counted.rr, created=place.created), contended), ""
        self._memory.forget(signals[0].fingerprint)
        first = _stored(signals[:1], place.rr, created=True) if place.created else []
        if isinstance(counted, Counted):
            return Recorded(first, contended), place.rr.uid if counted.late else ""
        if not place.created:
            raise counted
        return Recorded(first + _failures(signals[1:], counted), contended), ""

    async def _place(self, signal: NormalizedSignal, over: RemediationRequest | None, deadline: Deadline) -> Place:
        known = self._memory.get(signal.fingerprint)
        return Place(known) if known else await self._placement.find_or_create(signal, over=over, deadline=deadline)

    async def _count_and_finish(
        self, place: Place, occurrences: int, alerts: Sequence[NormalizedSignal], *, deadline: Deadline
    ) -> Counted | SluiceError:
        count = self._count(place, occurrences, alerts, deadline=deadline)
        if place.lock is None:
            return await count
        counted, _ = await asyncio.gather(count, self._placement.finish(place.lock, deadline=deadline))
        return counted

    async def _count(
        self, place: Place, occurrences: int, alerts: Sequence[NormalizedSignal], *, deadline: Deadline
    ) -> Counted | SluiceError:
        heeded = alerts if self._tells_resolved else ()
        # An RR without a count stands for the one signal that created it, and its annotation for the alert.
        alone = place.created and occurrences == 0 and not self._write_first_count
        if alone and (len(alerts) == 1 or not changes_by(place.rr, heeded, now=self._clock.now())):
            return Counted(place.rr, stored=True)
        # Returned, not raised: the lock is finished beside it, and an exception would cancel that.
        try:
            return await self._status.update_deduplication_status(
                place.rr, occurrences=occurrences, signals=heeded, deadline=deadline
            )
        except SluiceError as error:
            return error


def _since(first: NormalizedSignal, signals: Sequence[NormalizedSignal]) -> Sequence[NormalizedSignal]:
    return signals[next(number for number, each in enumerate(signals) if each is first) :]


def _contended(outcome: Counted | SluiceError) -> bool:
    return outcome.conflicts > 0 if isinstance(outcome, Counted) else isinstance(outcome, ConflictError)


def _failures(signals: Sequence[NormalizedSignal], error: SluiceError) -> list[SignalResult]:
    return [failure(error, fingerprint=signal.fingerprint) for signal in signals]


def _stored(signals: Sequence[NormalizedSignal], rr: RemediationRequest, *, created: bool) -> list[SignalResult]:
    first_count = 1 if created else rr.occurrences - len(signals) + 1
    later_count = rr.occurrences - len(signals) + 1
    counts = [first_count, *(later_count + number for number in range(1, len(signals)))]
    return [
        SignalResult(
            status=Status.CREATED if created and number == 0 else Status.DEDUPLICATED,
            fingerprint=signal.fingerprint,
            rr_name=rr.name,
            rr_namespace=rr.namespace,
            metadata=_metadata(signal, rr, counts[number]),
        )
        for number, signal in enumerate(signals)
    ]


def _metadata(signal: NormalizedSignal, rr: RemediationRequest, count: int) -> DeduplicationMetadata:
    known = rr.deduplication
    first_seen, last_seen = (known.first_seen_at, known.last_seen_at) if known else ("", "")
    received = rfc3339(signal.received_time)
    return DeduplicationMetadata(
        fingerprint=signal.fingerprint,
        count=count,
        remediationRequestRef=rr.name,
        firstOccurrence=first_seen or rr.creation_timestamp or received,
        lastOccurrence=last_seen or received,
    )


class Record(Protocol):
    """Stores signals that share a fingerprint and never raises (core.protocol.recorder.Recorder.record)."""

    async def __call__(self, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> Recorded:
        """Return one result for each signal, in order."""


class RoundObserver(Protocol):
    """Told of each round that has ended."""

    def __call__(self, *, signals: int, contended: bool) -> None:
        """`contended`: another instance was seen to write to the same RR."""


@dataclass(slots=True, eq=False, repr=False)
class _Ticket:
    signals: Sequence[NormalizedSignal]
    deadline: Deadline
    caller: Context
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
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._record = record
        self._observe = observe
        self._clock = clock
        self._random = random
        self._slots = asyncio.Semaphore(max_concurrent)
        self._waiting: dict[str, list[_Ticket]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

        def span(tickets: Sequence[_Ticket], *_: object) -> AbstractContextManager[Span]:
            return tracer.span("recording", links=[ticket.caller.get(current_span, NO_SPAN) for ticket in tickets[1:]])

        self._recorded = tracer.around(self._record_tickets, span=span, describe=_describe)

    async def join(self, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> Sequence[SignalResult]:
        """Store signals that share a fingerprint in the next round; one result each, in order.

        The round goes on when this caller's deadline passes: what it still stores is counted as a repeat
        when the sender tries again.
        """
        ticket = _Ticket(signals, deadline, copy_context(), asyncio.get_running_loop().create_future())
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
        # One task works for request after request: its log lines, and the RR, name the one whose signal is first.
        for variable, none in OF_A_REQUEST.items():
            variable.set(tickets[0].caller.get(variable, none))
        try:
            recorded = await self._recorded(tickets, signals, latest)
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

    async def _record_tickets(
        self, _tickets: Sequence[_Ticket], signals: Sequence[NormalizedSignal], deadline: Deadline
    ) -> Recorded:
        return await self._record(signals, deadline=deadline)


def _describe(span: Span, recorded: Recorded) -> None:
    first = recorded.results[0]
    span.describe({"sluice.fingerprint": first.fingerprint, "sluice.signals": len(recorded.results)})
    span.describe({"sluice.outcome": first.status, "sluice.contended": recorded.contended})
    if first.rr_name:
        span.describe({"sluice.remediation_request": first.rr_name})
    if first.status is Status.FAILED:
        span.fail(first.for_the_log)


def _still_waiting(tickets: Sequence[_Ticket]) -> list[_Ticket]:
    return [ticket for ticket in tickets if not ticket.results.done()]

"""Records signals of one fingerprint: the whole protocol, from memory to the count on the status."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.common.memory import BoundedMemory
from core.common.text import rfc3339
from core.errors import DeduplicationError, SluiceError
from core.kube.errors import ConflictError, KubernetesError
from core.protocol.placement import Place
from core.protocol.status import Counted
from core.results import DeduplicationMetadata, Recorded, SignalResult, Status, failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.common.clock import Clock, Deadline
    from core.protocol.placement import Placement
    from core.protocol.remediation_request import RemediationRequest
    from core.protocol.status import StatusUpdater
    from core.signals.signal import NormalizedSignal


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

    def remember(self, request: RemediationRequest) -> None:
        """Keep an active RR; a terminal one is forgotten instead."""
        if not request.active:  # one that has ended and still holds does so for a time: it is looked up each time
            self.forget(request.fingerprint)
            return
        self._rrs.put(request.fingerprint, request)

    def forget(self, fingerprint: str) -> None:
        """Drop what is remembered of a fingerprint."""
        self._rrs.pop(fingerprint)


class Recorder:
    """One round at a time for each fingerprint (core.protocol.rounds sees to that); any number of instances at once."""

    def __init__(
        self,
        *,
        placement: Placement,
        status: StatusUpdater,
        memory: RemediationRequestMemory,
        write_first_count: bool,
        namespace: str,
        clock: Clock,
    ) -> None:
        self._placement = placement
        self._status = status
        self._memory = memory
        self._write_first_count = write_first_count
        self._namespace = namespace
        self._clock = clock

    async def record(self, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> Recorded:
        """Store signals that share a fingerprint; one result each, in order.

        Never raises: whatever went wrong is in the results.
        """
        results: list[SignalResult] = []
        contended = False
        start = self._clock.now()
        over: RemediationRequest | None = None
        try:
            while len(results) < len(signals):
                rest = signals[len(results) :]
                place = await self._place(rest[0], over, deadline)
                recorded = await self._record_round(rest, place, deadline=deadline)
                results += recorded.results
                contended |= recorded.contended
                over = place.rr  # it takes no more: that is why some are left
        except KubernetesError as error:
            results += _failures(signals[len(results) :], self._explained(signals[0], start, error))
            contended |= _contended(error)
        except SluiceError as error:
            results += _failures(signals[len(results) :], error)
        return Recorded(results, contended)

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

    async def _record_round(self, signals: Sequence[NormalizedSignal], place: Place, *, deadline: Deadline) -> Recorded:
        """Store as many of `signals` as one RR takes.

        All of them; or only the first, where the RR it created ended before the others were counted;
        or none, where the RR in view turned out to be over.
        """
        extra = len(signals) - place.created
        counted = await self._count_and_finish(place, extra, deadline=deadline)
        contended = _contended(counted)
        if isinstance(counted, Counted) and counted.stored and counted.rr is not None:
            self._memory.remember(counted.rr)
            return Recorded(_stored(signals, counted.rr, created=place.created), contended)
        self._memory.forget(signals[0].fingerprint)
        first = _stored(signals[:1], place.rr, created=True) if place.created else []
        if isinstance(counted, Counted):
            return Recorded(first, contended)
        if not place.created:
            raise counted
        return Recorded(first + _failures(signals[1:], counted), contended)

    async def _place(self, signal: NormalizedSignal, over: RemediationRequest | None, deadline: Deadline) -> Place:
        known = self._memory.get(signal.fingerprint)
        return Place(known) if known else await self._placement.find_or_create(signal, over=over, deadline=deadline)

    async def _count_and_finish(self, place: Place, occurrences: int, *, deadline: Deadline) -> Counted | SluiceError:
        count = self._count(place, occurrences, deadline=deadline)
        if place.lock is None:
            return await count
        counted, _ = await asyncio.gather(count, self._placement.finish(place.lock, deadline=deadline))
        return counted

    async def _count(self, place: Place, occurrences: int, *, deadline: Deadline) -> Counted | SluiceError:
        if place.created and occurrences == 0 and not self._write_first_count:
            return Counted(place.rr, stored=True)  # an RR without a count stands for the one signal that created it
        # A value, not an exception: the lock's end beside it must run to its own.
        try:
            return await self._status.update_deduplication_status(place.rr, occurrences=occurrences, deadline=deadline)
        except SluiceError as error:
            return error


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

"""From a decoded payload to one result per alert: qualify, group by fingerprint, record side by side, report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from core.common.memory import BoundedMemory
from core.common.resilience import paced, side_by_side
from core.common.trace_context import NO_TRACER
from core.errors import DeadlineExceededError
from core.results import SignalResult, Status, failure, resolved
from core.signals.kubernaut import as_kubernaut
from core.signals.signal import RESOLVED, Ignored, NormalizedSignal, Poison
from core.signals.targets import NO_TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Sized

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.common.trace_context import Span, Tracer
    from core.protocol.recorder import Rounds
    from core.reporting import Reporter
    from core.settings import Settings
    from core.signals.signal import Batch, Entry
    from core.workloads.qualification import Qualification

GROUPS_AT_ONCE = 200
"""Of one batch; more would only wait for a round's slot, and fill the memory meanwhile."""

REMEMBERED_DELIVERY_SECONDS = 120.0
"""Longer than Alertmanager's longest pause between two tries of one notification (60 s)."""

_Stored = dict[str, "Sequence[SignalResult]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the settings make of an alert, whoever follows it: the pipeline, or `sluice explain`.

    Attributes:
        reject_untargeted: an alert that names no object is poison (SLUICE_UNTARGETED=reject).
        as_kubernaut: signals have kubernaut's form, and what its gateway refuses is poison (SLUICE_PROFILE).
        tells_resolved: the RR that an alert has joined is told when the alert has ended (SLUICE_RESOLVED).
    """

    reject_untargeted: bool = False
    as_kubernaut: bool = False
    tells_resolved: bool = False

    @classmethod
    def by(cls, settings: Settings) -> Self:
        """Return that of these settings."""
        return cls(
            reject_untargeted=settings.untargeted == "reject",
            as_kubernaut=settings.profile == "kubernaut",
            tells_resolved=settings.resolved == "condition",
        )

    def of_entry(self, entry: Entry) -> Entry:
        """Return what is to be followed in an entry's place."""
        if self.reject_untargeted and isinstance(entry, Ignored) and entry.reason == NO_TARGET:
            return Poison(entry.reason, entry.message)
        return as_kubernaut(entry) if self.as_kubernaut else entry

    def followed(self, entry: Entry) -> NormalizedSignal | None:
        """Return what has to be looked up: a signal that fires, or one that has ended where its RR is told."""
        if isinstance(entry, Ignored):
            return entry.ended if self.tells_resolved else None
        return entry if isinstance(entry, NormalizedSignal) else None

    def of_result(self, settled: SignalResult) -> SignalResult:
        """Return what counts where a look at the cluster has settled a signal."""
        if self.reject_untargeted and settled.reason == NO_TARGET:
            return settled._replace(status=Status.INVALID)
        return settled


class Pipeline:
    """What every trigger feeds its batches into."""

    def __init__(
        self,
        *,
        qualification: Qualification,
        rounds: Rounds,
        earlier_deliveries: EarlierDeliveries,
        reporter: Reporter,
        judgement: Judgement = Judgement(),
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._judgement = judgement
        self._qualification = qualification
        self._rounds = rounds
        self._earlier_deliveries = earlier_deliveries
        self._reporter = reporter
        self._qualified = tracer.around(
            self._qualify, span=lambda *_: tracer.span("qualification"), describe=_describe_qualified
        )

    async def process(self, batch: Batch, *, digest: bytes, deadline: Deadline) -> list[SignalResult]:
        """Store every signal of a batch.

        Other work on the event loop gets its turn in between, however many signals there are.

        Args:
            batch: the decoded payload.
            digest: of the body; the same body sent again is known by it.
            deadline: of the request.

        Returns:
            One result for each entry, in order. A signal that could not be stored has status `failed`.

        Raises:
            DeadlineExceededError: the request's time ended before all entries were read; nothing is stored.
        """
        report = self._reporter.opened(batch)
        entries = [self._judgement.of_entry(entry) async for entry in paced(batch.entries, deadline=deadline)]
        report.received(entries)
        settled, signals = await self._qualified(entries, deadline)
        settled |= await self._record(signals, digest, deadline, unsettled=_any_failed(settled.values()))
        results = [settled[index] for index in range(len(entries))]
        told = [
            entry if isinstance(entry, Ignored) else signals.get(index, entry) for index, entry in enumerate(entries)
        ]
        await report.settled(told, results)
        return results

    async def _qualify(
        self, entries: Sequence[Entry], deadline: Deadline
    ) -> tuple[dict[int, SignalResult], dict[int, NormalizedSignal]]:
        """Return by index what is settled without a remediation request, and the signals that are to be recorded."""
        read = {index: signal for index, entry in enumerate(entries) if (signal := self._judgement.followed(entry))}
        settled = {
            index: _settled(entry)
            for index, entry in enumerate(entries)
            if index not in read and not isinstance(entry, NormalizedSignal)
        }
        signals: dict[int, NormalizedSignal] = {}
        qualified = await self._qualification.qualify(list(read.values()), deadline=deadline)
        for index, each in zip(read, qualified, strict=True):
            if not isinstance(each, SignalResult):
                signals[index] = each
            elif read[index].resolved and each.status is not Status.FAILED:
                settled[index] = resolved(read[index])  # an object that gets no RR has none that could be told
            else:
                settled[index] = self._judgement.of_result(each)
        return settled, signals

    async def _record(
        self, signals: Mapping[int, NormalizedSignal], digest: bytes, deadline: Deadline, *, unsettled: bool
    ) -> dict[int, SignalResult]:
        """Record the signals of each fingerprint together, and return their results by index."""
        indices = _by_fingerprint(signals)

        async def join(fingerprint: str) -> Sequence[SignalResult]:
            group = [signals[index] for index in indices[fingerprint]]
            return _too_late(group) if deadline.passed else await self._rounds.join(group, deadline=deadline)

        earlier = self._earlier_deliveries.take(digest)
        stored = {key: results for key, results in earlier.items() if len(indices.get(key, ())) == len(results)}
        missing = [fingerprint for fingerprint in indices if fingerprint not in stored]
        answers = await side_by_side(missing, join, at_once=GROUPS_AT_ONCE)
        recorded = stored | dict(zip(missing, answers, strict=True))
        if unsettled or any(map(_any_failed, answers)):
            self._earlier_deliveries.keep(digest, _wholly_stored(recorded))
        return {
            index: result._replace(target=signals[index].target, found_by=signals[index].found_by)
            for fingerprint, results in recorded.items()
            for index, result in zip(indices[fingerprint], results, strict=True)
        }


def _describe_qualified(span: Span, qualified: tuple[Sized, Sized]) -> None:
    settled, signals = map(len, qualified)
    span.describe({"sluice.entries": settled + signals, "sluice.signals": signals})


def _by_fingerprint(signals: Mapping[int, NormalizedSignal]) -> dict[str, list[int]]:
    indices: dict[str, list[int]] = {}
    for index, signal in signals.items():
        indices.setdefault(signal.fingerprint, []).append(index)
    return indices


def _any_failed(results: Iterable[SignalResult]) -> bool:
    return any(result.status is Status.FAILED for result in results)


def _too_late(signals: Sequence[NormalizedSignal]) -> list[SignalResult]:
    late = DeadlineExceededError("the request's time ended before this alert's turn came")
    return [failure(late, fingerprint=signal.fingerprint) for signal in signals]


def _settled(entry: Ignored | Poison) -> SignalResult:
    status = Status.INVALID if isinstance(entry, Poison) else Status.IGNORED
    return SignalResult(status=status, reason=entry.reason, error=entry.message)


def _wholly_stored(recorded: Mapping[str, Sequence[SignalResult]]) -> dict[str, Sequence[SignalResult]]:
    return {key: results for key, results in recorded.items() if all(map(_done, results))}


def _done(result: SignalResult) -> bool:
    return result.stored or (result.status is Status.IGNORED and result.reason == RESOLVED)


class EarlierDeliveries:
    """What earlier deliveries of a body stored without being acknowledged; at most `capacity` alerts in all.

    A webhook that could be stored only in part is answered 503, and comes again whole. What was stored the first time
    need not be stored again: the same body sent again takes it from here, once. So a webhook too large for one
    deadline gets done over a few deliveries instead of never, and counts stay exact. Forgetting costs one more PATCH
    and a count too many, never an alert.
    """

    def __init__(self, *, clock: Clock, capacity: int) -> None:
        self._bodies: BoundedMemory[bytes, _Stored] = BoundedMemory(
            clock=clock, capacity=capacity, max_age=REMEMBERED_DELIVERY_SECONDS, weigh=_alerts
        )

    def take(self, body: bytes) -> _Stored:
        """Return what an earlier delivery of `body` (its digest) stored, and forget it."""
        return self._bodies.pop(body) or {}

    def keep(self, body: bytes, stored: Mapping[str, Sequence[SignalResult]]) -> None:
        """Remember what was stored of `body` although it is not acknowledged; an empty digest is nobody's.

        A sender that goes on to another instance never asks for it.
        """
        if body:
            self._bodies.put(body, dict(stored))


def _alerts(stored: Mapping[str, Sequence[SignalResult]]) -> int:
    return sum(len(results) for results in stored.values())

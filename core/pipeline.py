"""From a decoded payload to one result per alert: qualify, group by fingerprint, record side by side, report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.adapters.targets import NO_TARGET
from core.errors import DeadlineExceededError
from core.failures import failure
from core.models.batch import Ignored, Poison
from core.models.result import SignalResult, Status
from core.models.signal import NormalizedSignal
from core.pace import paced, side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.clock import Deadline
    from core.credits import Credits
    from core.models.batch import Batch, Entry
    from core.protocol.rounds import Rounds
    from core.qualification import Qualification
    from core.reporting import Reporter

GROUPS_AT_ONCE = 200
"""Of one batch; more would only wait for a round's slot, and fill the memory meanwhile."""


class Pipeline:
    """What every trigger feeds its batches into."""

    def __init__(
        self,
        *,
        qualification: Qualification,
        rounds: Rounds,
        stored_earlier: Credits,
        reporter: Reporter,
        reject_untargeted: bool = False,
    ) -> None:
        self._reject_untargeted = reject_untargeted
        self._qualification = qualification
        self._rounds = rounds
        self._stored_earlier = stored_earlier
        self._reporter = reporter

    async def process(self, batch: Batch, *, digest: bytes, deadline: Deadline) -> list[SignalResult]:
        """Store every signal of a batch.

        However many there are, other work on the event loop gets its turn in between.

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
        entries = [self._judged(entry) async for entry in paced(batch.entries, deadline=deadline)]
        qualified = await self._qualify(entries, deadline)
        groups = _group(qualified)
        unsettled = any(isinstance(each, SignalResult) and each.status is Status.FAILED for each in qualified)
        recorded = await self._record(groups, digest, deadline, unsettled=unsettled)
        iterators = {fingerprint: iter(results) for fingerprint, results in recorded.items()}
        results = [
            next(iterators[each.fingerprint]) if isinstance(each, NormalizedSignal) else _settled(each)
            for each in qualified
        ]
        await report.settled(entries, results)
        return results

    def _judged(self, entry: Entry) -> Entry:
        """Make poison of what names no object, where the settings say so."""
        if self._reject_untargeted and isinstance(entry, Ignored) and entry.reason == NO_TARGET:
            return Poison(entry.reason, entry.message)
        return entry

    async def _qualify(self, entries: Sequence[Entry], deadline: Deadline) -> list[Entry | SignalResult]:
        signals = [entry for entry in entries if isinstance(entry, NormalizedSignal)]
        qualified = iter(await self._qualification.qualify(signals, deadline=deadline))
        return [self._rejudged(next(qualified)) if isinstance(entry, NormalizedSignal) else entry for entry in entries]

    def _rejudged(self, qualified: NormalizedSignal | SignalResult) -> NormalizedSignal | SignalResult:
        if self._reject_untargeted and isinstance(qualified, SignalResult) and qualified.reason == NO_TARGET:
            return replace(qualified, status=Status.INVALID)
        return qualified

    async def _record(
        self, groups: Mapping[str, Sequence[NormalizedSignal]], digest: bytes, deadline: Deadline, *, unsettled: bool
    ) -> dict[str, Sequence[SignalResult]]:
        async def join(fingerprint: str) -> Sequence[SignalResult]:
            if deadline.passed:
                return _too_late(groups[fingerprint])
            return await self._rounds.join(groups[fingerprint], deadline=deadline)

        earlier = self._stored_earlier.take(digest)
        stored = {key: results for key, results in earlier.items() if len(groups.get(key, ())) == len(results)}
        missing = [fingerprint for fingerprint in groups if fingerprint not in stored]
        answers = await side_by_side(missing, join, at_once=GROUPS_AT_ONCE)
        recorded = stored | dict(zip(missing, answers, strict=True))
        if unsettled or any(result.status is Status.FAILED for results in answers for result in results):
            self._stored_earlier.keep(digest, _wholly_stored(recorded))
        return recorded


def _group(qualified: Sequence[Entry | SignalResult]) -> dict[str, list[NormalizedSignal]]:
    groups: dict[str, list[NormalizedSignal]] = {}
    for entry in qualified:
        if isinstance(entry, NormalizedSignal):
            groups.setdefault(entry.fingerprint, []).append(entry)
    return groups


def _too_late(signals: Sequence[NormalizedSignal]) -> list[SignalResult]:
    late = DeadlineExceededError("the request's time ended before this alert's turn came")
    return [failure(late, fingerprint=signal.fingerprint) for signal in signals]


def _settled(entry: Ignored | Poison | SignalResult) -> SignalResult:
    if isinstance(entry, SignalResult):
        return entry
    status = Status.INVALID if isinstance(entry, Poison) else Status.IGNORED
    return SignalResult(status=status, reason=entry.reason, error=entry.message)


def _wholly_stored(recorded: Mapping[str, Sequence[SignalResult]]) -> dict[str, Sequence[SignalResult]]:
    return {key: results for key, results in recorded.items() if all(result.stored for result in results)}

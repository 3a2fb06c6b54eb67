"""From a decoded payload to one result per alert: qualify, group by fingerprint, record side by side, count."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from core.models.batch import Ignored, Poison
from core.models.result import SignalResult, Status
from core.models.signal import NormalizedSignal
from core.together import together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.clock import Deadline
    from core.credits import Credits
    from core.metrics import Metrics
    from core.models.batch import Batch, Entry
    from core.protocol.rounds import Rounds
    from core.qualification import Qualification


class Pipeline:
    """What every trigger feeds its batches into."""

    def __init__(
        self,
        *,
        qualification: Qualification,
        rounds: Rounds,
        stored_earlier: Credits,
        metrics: Metrics,
        logger: logging.Logger,
    ) -> None:
        self._qualification = qualification
        self._rounds = rounds
        self._stored_earlier = stored_earlier
        self._metrics = metrics
        self._logger = logger

    async def process(self, batch: Batch, *, digest: bytes, deadline: Deadline) -> list[SignalResult]:
        """Store every signal of a batch.

        Args:
            batch: the decoded payload.
            digest: of the body; the same body sent again is known by it.
            deadline: of the request.

        Returns:
            One result for each entry, in order. A signal that could not be stored has status `failed`.
        """
        self._note(batch)
        qualified = await self._qualify(batch.entries, deadline)
        groups = _group(qualified)
        unsettled = any(isinstance(each, SignalResult) and each.status is Status.FAILED for each in qualified)
        recorded = await self._record(groups, digest, deadline, unsettled=unsettled)
        iterators = {fingerprint: iter(results) for fingerprint, results in recorded.items()}
        results = [
            next(iterators[each.fingerprint]) if isinstance(each, NormalizedSignal) else _settled(each)
            for each in qualified
        ]
        self._count(batch, results)
        return results

    async def _qualify(self, entries: Sequence[Entry], deadline: Deadline) -> list[Entry | SignalResult]:
        signals = [entry for entry in entries if isinstance(entry, NormalizedSignal)]
        qualified = iter(await self._qualification.qualify(signals, deadline=deadline))
        return [next(qualified) if isinstance(entry, NormalizedSignal) else entry for entry in entries]

    async def _record(
        self, groups: Mapping[str, Sequence[NormalizedSignal]], digest: bytes, deadline: Deadline, *, unsettled: bool
    ) -> dict[str, Sequence[SignalResult]]:
        earlier = self._stored_earlier.take(digest)
        stored = {key: results for key, results in earlier.items() if len(groups.get(key, ())) == len(results)}
        missing = [fingerprint for fingerprint in groups if fingerprint not in stored]
        answers = await together([self._rounds.join(groups[fingerprint], deadline=deadline) for fingerprint in missing])
        recorded = stored | dict(zip(missing, answers, strict=True))
        if unsettled or any(result.status is Status.FAILED for results in answers for result in results):
            self._stored_earlier.keep(digest, _wholly_stored(recorded))
        return recorded

    def _note(self, batch: Batch) -> None:
        for warning in batch.warnings:
            self._logger.warning(warning, extra={"source": batch.source})
        if batch.truncated:
            self._metrics.parse_dropped.labels(reason="truncated").inc(batch.truncated)
            self._logger.warning(
                "%d alerts were cut off by the sender and are lost to us; set max_alerts: 0 in its webhook_config",
                batch.truncated,
                extra={"source": batch.source, "truncated": batch.truncated},
            )

    def _count(self, batch: Batch, results: Sequence[SignalResult]) -> None:
        for entry, result in zip(batch.entries, results, strict=True):
            if isinstance(entry, NormalizedSignal):
                self._metrics.signals_received.labels(entry.signal_type, entry.severity).inc()
                if result.status is Status.DEDUPLICATED:
                    self._metrics.signals_deduplicated.labels(entry.signal_name).inc()
                elif result.status is not Status.CREATED:
                    self._report(result)
            elif isinstance(entry, Ignored):
                self._metrics.signals_ignored.labels(reason=entry.reason).inc()
            elif isinstance(entry, Poison):
                self._metrics.signals_rejected.labels(reason=entry.reason).inc()
                self._logger.warning(entry.message, extra={"reason": entry.reason, "source": batch.source})

    def _report(self, result: SignalResult) -> None:
        if result.status is Status.INVALID:
            self._metrics.signals_rejected.labels(reason="refused_by_api").inc()
        if result.status is Status.REJECTED:
            self._metrics.signals_rejected.labels(reason="out_of_scope").inc()
        if result.status is Status.IGNORED:
            self._metrics.signals_ignored.labels(reason=result.reason).inc()
        level = logging.INFO if result.status in (Status.REJECTED, Status.IGNORED) else logging.ERROR
        extra = {"fingerprint": result.fingerprint, "status": result.status}
        self._logger.log(level, result.error, extra=extra | ({"reason": result.reason} if result.reason else {}))


def _group(qualified: Sequence[Entry | SignalResult]) -> dict[str, list[NormalizedSignal]]:
    groups: dict[str, list[NormalizedSignal]] = {}
    for entry in qualified:
        if isinstance(entry, NormalizedSignal):
            groups.setdefault(entry.fingerprint, []).append(entry)
    return groups


def _settled(entry: Ignored | Poison | SignalResult) -> SignalResult:
    if isinstance(entry, SignalResult):
        return entry
    if isinstance(entry, Poison):
        return SignalResult(status=Status.INVALID, error=entry.message)
    return SignalResult(status=Status.IGNORED, reason=entry.reason)


def _wholly_stored(recorded: Mapping[str, Sequence[SignalResult]]) -> dict[str, Sequence[SignalResult]]:
    return {key: results for key, results in recorded.items() if all(result.stored for result in results)}

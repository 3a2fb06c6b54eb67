"""What operators are told of a batch: metrics for each alert, and few log lines.

A sender writes the alerts, so it must not choose how much is logged: of one body at most LINES_OF_A_KIND lines of
a kind, and of what is ignored one line for each alert's name and hour.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any

from core.common.concurrency import STEPS_IN_A_ROW
from core.common.text import cut_utf8
from core.results import Status
from core.signals.signal import Ignored, NormalizedSignal, Poison

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from core.common.clock import Clock
    from core.metrics import Metrics
    from core.results import SignalResult
    from core.signals.signal import Batch, Entry

NOTICE_SECONDS = 3600.0
REMEMBERED_NOTICES = 1000


class Notices:
    """Subjects that were logged within the last hour: at most `capacity`, so at most so many lines an hour."""

    def __init__(self, *, clock: Clock, capacity: int = REMEMBERED_NOTICES) -> None:
        self._clock = clock
        self._capacity = capacity
        self._logged_at: OrderedDict[Hashable, float] = OrderedDict()

    def due(self, subject: Hashable) -> bool:
        """Tell whether `subject` is to be logged now; it then counts as logged.

        Where `capacity` subjects were logged within the hour, no new one is due until the oldest is an hour old.
        """
        now = self._clock.monotonic()
        while self._logged_at and now - next(iter(self._logged_at.values())) >= NOTICE_SECONDS:
            self._logged_at.popitem(last=False)
        if subject in self._logged_at or len(self._logged_at) >= self._capacity:
            return False
        self._logged_at[subject] = now
        return True


LINES_OF_A_KIND = 10

_LOGGED_LABELS = 20
_LOGGED_LABEL_BYTES = 100
_REJECTED_REASONS = {Status.INVALID: "refused_by_api", Status.REJECTED: "out_of_scope"}
_LEVELS = {Status.REJECTED: logging.INFO, Status.INVALID: logging.ERROR, Status.FAILED: logging.ERROR}


class Reporter:
    """Tells of batches. `notices` remembers what was logged within the hour."""

    def __init__(self, *, metrics: Metrics, logger: logging.Logger, notices: Notices) -> None:
        self._metrics = metrics
        self._logger = logger
        self._notices = notices

    def opened(self, batch: Batch) -> BatchReport:
        """Tell what is known before any alert is looked at; return what tells of each alert."""
        for warning in batch.warnings:
            self._logger.warning(warning, extra={"source": batch.source})
        if batch.truncated:
            self._metrics.parse_dropped.labels(reason="truncated").inc(batch.truncated)
            self._logger.warning(
                "%d alerts were cut off by the sender and are lost to us; set max_alerts: 0 in its webhook_config",
                batch.truncated,
                extra={"source": batch.source, "truncated": batch.truncated},
            )
        return BatchReport(metrics=self._metrics, logger=self._logger, notices=self._notices, source=batch.source)


class BatchReport:
    """Tells of the alerts of one batch."""

    def __init__(self, *, metrics: Metrics, logger: logging.Logger, notices: Notices, source: str) -> None:
        self._metrics = metrics
        self._logger = logger
        self._notices = notices
        self._source = source
        self._kinds: Counter[tuple[str, str]] = Counter()

    async def settled(self, entries: Sequence[Entry], results: Sequence[SignalResult]) -> None:
        """Count the alerts, and log what people may have to act on."""
        for number, (entry, result) in enumerate(zip(entries, results, strict=True), 1):
            self._settled(entry, result)
            if number % STEPS_IN_A_ROW == 0:
                await asyncio.sleep(0)
        self._close()

    def _settled(self, entry: Entry, result: SignalResult) -> None:
        match entry:
            case NormalizedSignal():
                self._metrics.signals_received.labels(entry.signal_type, entry.severity).inc()
                self._settled_signal(entry, result)
            case Ignored():
                self._ignored(entry.reason, entry.message, entry.signal_name)
            case Poison():
                self._metrics.signals_rejected.labels(reason=entry.reason).inc()
                about = _named(entry.labels.get("alertname", ""), entry.labels)
                kind = (result.status, entry.reason)
                self._log(logging.WARNING, entry.message, kind=kind, reason=entry.reason, **about)

    def _close(self) -> None:
        for (status, reason), count in self._kinds.items():
            if count > LINES_OF_A_KIND:
                self._logger.warning(
                    "%d more alerts of this body are %s in the same way",
                    count - LINES_OF_A_KIND,
                    status,
                    extra={"source": self._source, "status": status, "reason": reason},
                )

    def _settled_signal(self, signal: NormalizedSignal, result: SignalResult) -> None:
        if result.status is Status.DEDUPLICATED:
            self._metrics.signals_deduplicated.labels(signal.signal_name).inc()
        elif result.status is Status.IGNORED:
            self._ignored(result.reason, result.error, signal.signal_name, **_about(signal))
        elif result.status is not Status.CREATED:
            if reason := _REJECTED_REASONS.get(result.status):
                self._metrics.signals_rejected.labels(reason=reason).inc()
            more: dict[str, Any] = {"reason": result.reason} if result.reason else {}
            self._log(
                _LEVELS[result.status],
                result.error,
                kind=(result.status, result.reason),
                fingerprint=result.fingerprint,
                status=result.status,
                **_about(signal),
                **more,
            )

    def _ignored(self, reason: str, message: str, signal_name: str, **about: Any) -> None:
        self._metrics.signals_ignored.labels(reason=reason).inc()
        if message and self._notices.due((reason, signal_name)):
            self._logger.info(
                "alerts named %r are ignored: %s (said once an hour)",
                signal_name,
                message,
                extra={"alertname": signal_name, "reason": reason, "source": self._source} | about,
            )

    def _log(self, level: int, message: str, *, kind: tuple[str, str], **extra: Any) -> None:
        self._kinds[kind] += 1
        if self._kinds[kind] <= LINES_OF_A_KIND:
            self._logger.log(level, message, extra={"source": self._source} | extra)


def _about(signal: NormalizedSignal) -> dict[str, Any]:
    return _named(signal.signal_name, signal.labels)


def _named(alertname: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"alertname": cut_utf8(alertname, limit=_LOGGED_LABEL_BYTES), "labels": _shown(labels)}


def _shown(labels: Mapping[str, str]) -> dict[str, str]:
    shown = list(labels.items())[:_LOGGED_LABELS]
    return {cut_utf8(key, limit=_LOGGED_LABEL_BYTES): cut_utf8(text, limit=_LOGGED_LABEL_BYTES) for key, text in shown}

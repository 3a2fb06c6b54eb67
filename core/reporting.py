"""What operators are told of a batch: metrics for each alert, and few log lines.

A sender writes the alerts, so it must not choose how much is logged: of one body at most LINES_OF_A_KIND lines of
a kind, and of what is ignored one line for each alert's name and hour.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.common.resilience import STEPS_IN_A_ROW
from core.common.text import cut_utf8
from core.logs import ONCE_A_SECOND
from core.results import Status
from core.signals.signal import Ignored, NormalizedSignal, Poison

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from core.audit import AuditTrail
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
"""Of one body: refusals and failures that are alike."""

COUNTED_LINES = 3
"""Of one body: signals that were counted on an RR that was there."""

_LOGGED_LABELS = 20
_LOGGED_LABEL_BYTES = 100
_REFUSED = (Status.INVALID, Status.REJECTED)
_REFUSED_BY_API = "refused_by_api"
_LEVELS = {Status.REJECTED: logging.INFO, Status.INVALID: logging.ERROR, Status.FAILED: logging.ERROR}


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Reporter:
    """Tells of batches. `notices` remembers what was logged within the hour; `audit` is there where it is asked for."""

    metrics: Metrics
    logger: logging.Logger
    notices: Notices
    clock: Clock
    audit: AuditTrail | None = None

    def opened(self, batch: Batch) -> BatchReport:
        """Tell what is known before any alert is looked at; return what tells of each alert."""
        for warning in batch.warnings:
            self.logger.warning(warning, extra={"source": batch.source})
        if batch.truncated:
            self.metrics.parse_dropped.labels(reason="truncated").inc(batch.truncated)
            self.logger.warning(
                "%d alerts were cut off by the sender and are lost to us; set max_alerts: 0 in its webhook_config",
                batch.truncated,
                extra={"source": batch.source, "truncated": batch.truncated},
            )
        return BatchReport(self, source=batch.source)


@dataclass(slots=True, eq=False, repr=False)
class _Kind:
    """Lines of a body that are alike."""

    level: int
    count: int = 0
    written: int = 0


class BatchReport:
    """Tells of the alerts of one batch.

    An RR's creation is told where it is created (core.protocol.creator): also when its sender has gone by then.
    """

    def __init__(self, reporter: Reporter, *, source: str) -> None:
        self._audit = reporter.audit
        self._metrics = reporter.metrics
        self._logger = reporter.logger
        self._notices = reporter.notices
        self._clock = reporter.clock
        self._source = source
        self._since = reporter.clock.monotonic()
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def received(self, entries: Iterable[Entry]) -> None:
        """Tell the audit of the alerts that ask for something, before anything is done about them."""
        if self._audit:
            for entry in entries:
                if not isinstance(entry, Ignored):
                    self._audit.received(entry)

    async def settled(self, entries: Sequence[Entry], results: Sequence[SignalResult]) -> None:
        """Count the alerts, and log one line for each, of many only the first few and how many there are.

        Args:
            entries: of the batch; signals as they were resolved.
            results: one for each.
        """
        for number, (entry, result) in enumerate(zip(entries, results, strict=True), 1):
            self._settled(entry, result)
            if self._audit and not isinstance(entry, Ignored):
                self._audit.settled(entry, result)
            if number % STEPS_IN_A_ROW == 0:
                await asyncio.sleep(0)
        self._close(results)

    @property
    def _seconds(self) -> float:
        return round(self._clock.monotonic() - self._since, 3)

    def _settled(self, entry: Entry, result: SignalResult) -> None:
        match entry:
            case NormalizedSignal():
                self._metrics.received(source_type=self._source_type(entry), severity=entry.severity)
                self._settled_signal(entry, result)
            case Ignored(ended=NormalizedSignal() as ended) if result.status is Status.FAILED:
                self._settled_signal(ended, result)  # the RR could not be told that its alert has ended
            case Ignored():
                self._ignored(entry.reason, entry.message, entry.signal_name)
            case Poison():
                self._metrics.rejected(entry.reason)
                self._log(
                    logging.WARNING,
                    entry.message,
                    kind=(result.status, entry.reason),
                    reason=entry.reason,
                    outcome=result.status,
                    duration_seconds=self._seconds,
                    **_named(entry.labels.get("alertname", ""), entry.labels),
                )

    def _source_type(self, signal: NormalizedSignal) -> str:
        return self._metrics.source_type(signal_type=signal.signal_type, signal_source=signal.signal_source)

    def _close(self, results: Sequence[SignalResult]) -> None:
        for (status, reason), kind in self._kinds.items():
            if kind.count > kind.written:
                self._logger.log(
                    kind.level,
                    "%d more alerts of this body are %s in the same way",
                    kind.count - kind.written,
                    status,
                    extra={"source": self._source, "outcome": status, "reason": reason},
                )
        if len(results) > LINES_OF_A_KIND:
            outcomes = Counter(result.status.value for result in results)
            self._logger.info(
                "%d alerts of one body: %s",
                len(results),
                ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()),
                extra={"source": self._source, "outcomes": dict(outcomes), "duration_seconds": self._seconds},
            )

    def _settled_signal(self, signal: NormalizedSignal, result: SignalResult) -> None:
        if result.status is Status.DEDUPLICATED:
            self._metrics.deduplicated(signal.signal_name)
            self._counted(signal, result)
        elif result.status is Status.IGNORED:
            self._ignored(
                result.reason, result.error, signal.signal_name, duration_seconds=self._seconds, **_about(signal)
            )
        elif result.status is not Status.CREATED:
            if result.status in _REFUSED:
                self._metrics.rejected(result.reason or _REFUSED_BY_API)
            more: dict[str, Any] = {"reason": result.reason} if result.reason else {}
            if result.status is Status.FAILED:
                self._metrics.signals_failed.labels(self._source_type(signal)).inc()
                more |= ONCE_A_SECOND
            self._log(
                _LEVELS[result.status],
                result.for_the_log,
                kind=(result.status, result.reason),
                status=result.status,
                outcome=result.status,
                duration_seconds=self._seconds,
                **_about(signal),
                **more,
            )

    def _counted(self, signal: NormalizedSignal, result: SignalResult) -> None:
        self._log(
            logging.INFO,
            f"counted on RR {result.rr_name}",
            kind=(result.status, ""),
            most=COUNTED_LINES,
            remediation_request=result.rr_name,
            occurrence=(result.metadata or {}).get("count"),
            outcome=result.status,
            duration_seconds=self._seconds,
            **signal.described(),
        )

    def _ignored(self, reason: str, message: str, signal_name: str, **about: Any) -> None:
        """Say it once an hour for each name: dead man's switches and Normal Events come all the time."""
        self._metrics.signals_ignored.labels(reason=reason).inc()
        fields = {"alertname": signal_name, "reason": reason, "source": self._source, "outcome": "ignored"} | about
        if message and self._notices.due((reason, signal_name)):
            self._logger.info("alerts named %r are ignored: %s (said once an hour)", signal_name, message, extra=fields)
        else:
            self._logger.debug("ignored: %s", message or reason, extra=fields)

    def _log(
        self, level: int, message: str, *, kind: tuple[str, str], most: int = LINES_OF_A_KIND, **extra: Any
    ) -> None:
        alike = self._kinds.setdefault(kind, _Kind(level if level == logging.INFO else logging.WARNING))
        alike.count += 1
        if alike.written < most:
            alike.written += 1
            self._logger.log(level, message, extra={"source": self._source} | extra)


def _about(signal: NormalizedSignal) -> dict[str, Any]:
    return signal.described() | {"labels": _shown(signal.labels)}


def _named(alertname: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"alertname": cut_utf8(alertname, limit=_LOGGED_LABEL_BYTES), "labels": _shown(labels)}


def _shown(labels: Mapping[str, str]) -> dict[str, str]:
    shown = list(labels.items())[:_LOGGED_LABELS]
    return {cut_utf8(key, limit=_LOGGED_LABEL_BYTES): cut_utf8(text, limit=_LOGGED_LABEL_BYTES) for key, text in shown}

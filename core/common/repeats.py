"""Keeps what goes wrong again and again from filling the log: an overload must not be fed by its own lines."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.common.clock import Clock

ONCE_A_SECOND = {"once_a_second": True}
"""As `extra` of a line that an overload writes for each request: the first of a second is logged, the rest counted."""

LINES_A_SECOND = 10
"""Of other warnings and errors that say the same."""

MOST_DISTINCT = 50
"""Different ones within a second; what goes beyond is counted together."""

_WINDOW_SECONDS = 1.0
_COMPARED_CHARACTERS = 300
# Fingerprints, names made of them, uids, durations, places in a list: they tell no two kinds of failure apart.
_PARTICULARS = re.compile(r"[0-9a-f]{8,}|\d+")
_OTHERS = (logging.WARNING, "warnings and errors of other kinds")


@dataclass(slots=True)
class _Window:
    since: float
    logged: int = 0
    left_out: int = 0


class Repeats(logging.Filter):
    """Lets through the first few warnings and errors of a kind each second; one line tells how many more came.

    That line is written with the next record of any kind after the second: a logger has no timer. Metrics count all.

    Args:
        clock: source of monotonic time.
        write: writes the line that tells of them.
    """

    def __init__(self, *, clock: Clock, write: Callable[[logging.LogRecord], object]) -> None:
        super().__init__()
        self._clock = clock
        self._write = write
        self._windows: dict[tuple[int, str], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether `record` is to be written."""
        once = bool(vars(record).pop("once_a_second", False))
        if "repeats" in vars(record):  # our own
            return True
        now = self._clock.monotonic()
        self._tell(now)
        if record.levelno < logging.WARNING:
            return True
        window = self._window(record, now)
        if window.logged < (1 if once else LINES_A_SECOND):
            window.logged += 1
            return True
        window.left_out += 1
        return False

    def _window(self, record: logging.LogRecord, now: float) -> _Window:
        kind = record.levelno, _PARTICULARS.sub("#", record.getMessage()[:_COMPARED_CHARACTERS])
        if kind not in self._windows and len(self._windows) >= MOST_DISTINCT:
            kind = _OTHERS
        return self._windows.setdefault(kind, _Window(since=now))

    def _tell(self, now: float) -> None:
        over = [kind for kind, window in self._windows.items() if now - window.since >= _WINDOW_SECONDS]
        for kind in over:
            level, message = kind
            if count := self._windows.pop(kind).left_out:
                self._write(_summary(level, message, count))


def _summary(level: int, message: str, count: int) -> logging.LogRecord:
    return logging.makeLogRecord(
        {
            "name": "sluice",
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": "%d more within a second: %s",
            "args": (count, message),
            "repeats": count,
        }
    )

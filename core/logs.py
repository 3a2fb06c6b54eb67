"""Structured logs: one JSON object per line, in the fields Cloud Logging and Knative's collectors read; on a terminal
lines for people instead.

Written here in a few lines because importing google-cloud-logging costs half a second at a cold start;
that package is loaded only where its API is the chosen sink. What goes wrong again and again is counted instead of
written each time: an overload must not be fed by its own lines.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from core.common.clock import RealClock
from core.common.text import excerpt, printable, rfc3339
from core.common.trace_context import current_trace, request_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.common.clock import Clock
    from core.common.trace_context import TraceContext
    from core.settings import Settings

ONCE_A_SECOND = {"once_a_second": True}
"""As `extra` of a line that an overload writes for each request: the first of a second is logged, the rest counted."""

LINES_A_SECOND = 10
"""Of other warnings and errors that say the same."""

MOST_DISTINCT = 50
"""Different ones within a second; what goes beyond is counted together."""

_WINDOW_SECONDS = 1.0
_COMPARED_CHARACTERS = 300
# Fingerprints, names made of them, uids, durations, places in a list: they tell no two kinds of failure apart.
_PARTICULARS = r"[0-9a-f]{8,}|\d+"
_OTHERS = (logging.WARNING, "warnings and errors of other kinds")

LOGGER_NAME = "sluice"

LONGEST_TEXT = 4096
"""Characters of a message, or of a field beside it, that are logged."""

_DIM, _RESET = "\033[2m", "\033[0m"
_COLOURS = {"DEBUG": _DIM, "INFO": "\033[32m", "WARNING": "\033[33m", "ERROR": "\033[31m", "CRITICAL": "\033[31m"}

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass(slots=True, eq=False, repr=False)
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
        kind = record.levelno, re.sub(_PARTICULARS, "#", record.getMessage()[:_COMPARED_CHARACTERS])
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


class JsonFormatter(logging.Formatter):
    """Formats a record as Cloud Logging's structured form; what is passed as `extra` becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON, whatever the record holds."""
        entry: dict[str, Any] = {
            "severity": record.levelname,
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "message": _short(record.getMessage()),
            "logger": record.name,
        }
        if request := request_id.get():
            entry["request_id"] = request
        if record.exc_info:
            entry["stack_trace"] = self.formatException(record.exc_info)
        if trace := current_trace.get():
            entry |= _trace_fields(trace)
        return _written(_extra(record) | entry)


class TerminalFormatter(logging.Formatter):
    """Formats a record for a person at a terminal: time, severity, message, and the extra fields dimmed.

    Args:
        colours: False where the person has set NO_COLOR (https://no-color.org).
    """

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of one record; what a sender wrote cannot steer the terminal."""
        moment = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        fields = " ".join(f"{key}={_plain(value)}" for key, value in _extra(record).items())
        severity = self._painted(f"{record.levelname:<7}", _COLOURS.get(record.levelname, ""))
        line = f"{moment} {severity} {printable(str(_short(record.getMessage())))}"
        if fields:
            line += "  " + self._painted(printable(fields), _DIM)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line

    def _painted(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colours and colour else text


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: _short(value) for key, value in vars(record).items() if key not in _STANDARD_FIELDS}


def _trace_fields(trace: TraceContext) -> dict[str, Any]:
    project = os.environ.get("GOOGLE_CLOUD_PROJECT")
    fields: dict[str, Any] = {
        "logging.googleapis.com/trace": f"projects/{project}/traces/{trace.trace_id}" if project else trace.trace_id
    }
    if trace.span_id:
        fields |= {
            "logging.googleapis.com/spanId": trace.span_id,
            "logging.googleapis.com/trace_sampled": trace.sampled,
        }
    return fields


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return _json(value)
    except Exception:  # noqa: BLE001 - as in _written
        return excerpt(value)


def _written(fields: dict[str, Any]) -> str:
    try:
        return _json(fields)
    except Exception:  # noqa: BLE001 - a cycle, bytes, half a surrogate pair: the line must not be lost for one field
        return _json({key: _writable(value) for key, value in fields.items()})


def _writable(value: object) -> object:
    try:
        _json(value)
    except Exception:  # noqa: BLE001 - as above
        return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else excerpt(value)
    return value


def _json(value: object) -> str:
    return to_json(value, fallback=str, inf_nan_mode="strings").decode()


def configure_logging(settings: Settings) -> logging.Logger:
    """Give the `sluice` logger its one handler; calling it again replaces that handler."""
    logger = logging.getLogger(LOGGER_NAME)
    handler = _cloud_handler() if settings.log_sink == "cloud-logging" else _stdout_handler()
    handler.addFilter(Repeats(clock=RealClock(), write=handler.handle))
    logger.handlers = [handler]
    logger.setLevel(settings.log_level)
    logger.propagate = False
    return logger


def _stdout_handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    on_terminal = sys.stdout.isatty()
    handler.setFormatter(TerminalFormatter(colours=not os.environ.get("NO_COLOR")) if on_terminal else JsonFormatter())
    return handler


def _cloud_handler() -> logging.Handler:
    from google.cloud import logging as cloud_logging  # noqa: PLC0415

    client: Any = cloud_logging.Client()
    handler: logging.Handler = client.get_default_handler()
    return handler


def _short(value: object) -> object:
    """Cut what a sender may have made long: a log line need not hold all of it."""
    if not isinstance(value, str) or len(value) <= LONGEST_TEXT:
        return value
    return f"{value[:LONGEST_TEXT]}... (cut, {len(value)} characters)"

"""Structured logs: one JSON object per line, in the fields Cloud Logging and Knative's collectors read.

Written here in a few lines because importing google-cloud-logging costs half a second at a cold start;
that package is loaded only where its API is the chosen sink.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from core.common.text import excerpt, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings import Settings

LOGGER_NAME = "sluice"

trace_id: ContextVar[str] = ContextVar("trace_id", default="")
"""Trace of the request being served, from `traceparent` or `X-Cloud-Trace-Context`."""

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats a record as Cloud Logging's structured form; what is passed as `extra` becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON, whatever the record holds."""
        entry: dict[str, Any] = {
            "severity": record.levelname,
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            entry["stack_trace"] = self.formatException(record.exc_info)
        if trace := trace_id.get():
            entry["logging.googleapis.com/trace"] = trace
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD_FIELDS}
        return _written(extra | entry)


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
    logger.handlers = [_cloud_handler() if settings.log_sink == "cloud-logging" else _stdout_handler()]
    logger.setLevel(settings.log_level)
    logger.propagate = False
    return logger


def _stdout_handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    return handler


def _cloud_handler() -> logging.Handler:
    from google.cloud import logging as cloud_logging  # noqa: PLC0415

    client: Any = cloud_logging.Client()
    handler: logging.Handler = client.get_default_handler()
    return handler


def trace_of(headers: Mapping[str, str]) -> str:
    """Return the trace that a request belongs to, or nothing (W3C Trace Context, X-Cloud-Trace-Context)."""
    traceparent = headers.get("traceparent", "").split("-")
    if len(traceparent) == 4:
        return traceparent[1]
    return headers.get("x-cloud-trace-context", "").split("/")[0]

"""Which trace a request belongs to: W3C Trace Context, else Google's own header.

A sender writes these headers, and they end up in log lines and spans: nothing is taken that has not the right form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Trace Context level 2, section 3.2: only version 00 ends after the flags; newer ones may go on after a dash.
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_GOOGLE = re.compile(r"(?P<trace>[0-9a-f]{32})(?:/(?P<span>[0-9]{1,20}))?(?:;o=(?P<sampled>[0-9]))?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_FORBIDDEN_VERSION = "ff"
_SAMPLED = 1
_LONGEST_SPAN = 2**64


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The caller's place in a trace.

    Attributes:
        trace_id: 32 lower-case hex digits.
        span_id: 16 of them, the caller's span; empty where it named none.
        sampled: whether the caller records this trace.
    """

    trace_id: str
    span_id: str = ""
    sampled: bool = False


def trace_of(headers: Mapping[str, str]) -> TraceContext | None:
    """Return the trace that a request belongs to; None where no header names one in the right form.

    Read are `traceparent` (W3C Trace Context, level 2) and `X-Cloud-Trace-Context` (Google's, older).
    """
    return _w3c(headers.get("traceparent", "")) or _google(headers.get("x-cloud-trace-context", ""))


def _w3c(header: str) -> TraceContext | None:
    match = _TRACEPARENT.fullmatch(header.strip())
    if match is None or match["version"] == _FORBIDDEN_VERSION or (match["version"] == "00" and match["more"]):
        return None
    if match["trace"] == _NO_TRACE or match["span"] == _NO_SPAN:
        return None
    return TraceContext(match["trace"], match["span"], bool(int(match["flags"], 16) & _SAMPLED))


def _google(header: str) -> TraceContext | None:
    match = _GOOGLE.fullmatch(header.strip().lower())
    if match is None or match["trace"] == _NO_TRACE:
        return None
    span = int(match["span"] or 0)
    return TraceContext(match["trace"], f"{span:016x}" if 0 < span < _LONGEST_SPAN else "", match["sampled"] == "1")

"""Which request, sender and trace work belongs to: what the caller's headers say, and the spans of our own work.

A sender writes these headers, and they end up in log lines and spans: so each must have the right form.
Spans are made by core.tracing where OpenTelemetry is asked for; else by NO_TRACER, which does and loads nothing.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, ParamSpec, Protocol, TypeVar

from core.common.text import cut_utf8, printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    Attributes = Mapping[str, str | int | bool]

P = ParamSpec("P")
T = TypeVar("T")

TRACE_HEADERS = ("traceparent", "x-cloud-trace-context")
"""Those that `trace_of` finds a trace in; without one of them there is none to look for."""

# Trace Context level 2, section 3.2: only version 00 ends after the flags; newer ones may go on after a dash.
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_GOOGLE = re.compile(r"(?P<trace>[0-9a-f]{32})(?:/(?P<span>[0-9]{1,20}))?(?:;o=(?P<sampled>[0-9]))?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_FORBIDDEN_VERSION = "ff"
_SAMPLED = 1
_LONGEST_SPAN = 2**64

# Trace Context level 2, section 3.3.1; a list of another form counts as none.
_STATE = re.compile(
    r"(?P<key>[a-z0-9][a-z0-9_*/@-]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MOST_STATES = 32
_STATE_CHARACTERS = 512
_LONG_STATE = 128


class TraceContext(NamedTuple):
    """The caller's place in a trace.

    Attributes:
        trace_id: 32 lower-case hex digits.
        span_id: 16 of them, the caller's span; empty where it named none.
        sampled: whether the caller records this trace.
        state: what other systems of tracing have to say of it (`tracestate`), checked; empty for nothing.
    """

    trace_id: str
    span_id: str = ""
    sampled: bool = False
    state: str = ""

    @property
    def traceparent(self) -> str:
        """The header that tells of it; empty where it has no span."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}" if self.span_id else ""


current_trace: ContextVar[TraceContext | None] = ContextVar("current_trace", default=None)
"""Trace of the request being served; its span is ours where we make one, else the caller's."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""X-Request-ID of the request being served."""

admitted_sender: ContextVar[str] = ContextVar("admitted_sender", default="")
"""Who sent the request being served, as the gate knows it; empty where nobody was asked. Text of one line."""

_SENDER_BYTES = 512  # a service account's name has 339 at most


@contextmanager
def sent_by(sender: str) -> Iterator[None]:
    """Let the block's work be known as that of a sender's request."""
    token = admitted_sender.set(cut_utf8(printable(sender), limit=_SENDER_BYTES))
    try:
        yield
    finally:
        admitted_sender.reset(token)


def trace_of(headers: Mapping[str, str], *, tracestate: Sequence[str] = ()) -> TraceContext | None:
    """Return the trace that a request belongs to; None where no header names one in the right form.

    Read are `traceparent` and `tracestate` (W3C Trace Context, level 2), and `X-Cloud-Trace-Context` (Google's, older).

    Args:
        headers: of the request; names in lower case or any.
        tracestate: the values of that header where it came several times, in order.
    """
    state = ",".join(tracestate) or headers.get("tracestate", "")
    w3c, google = TRACE_HEADERS
    return _w3c(headers.get(w3c, ""), state) or _google(headers.get(google, ""))


def trace_state(header: str) -> str:
    """Return the list in a `tracestate` header, no longer than is to be passed on; empty where it has another form.

    Of a list of more than 512 characters the long entries go first, then those at the end, as the recommendation wants.
    """
    entries = [entry.strip(" \t") for entry in header.split(",", _MOST_STATES * 2)]
    entries = [entry for entry in entries if entry]
    found = [_STATE.fullmatch(entry) for entry in entries]
    keys = {match["key"] for match in found if match}
    if len(entries) > _MOST_STATES or len(keys) < len(entries):  # one has another form, or comes twice
        return ""
    if len(",".join(entries)) > _STATE_CHARACTERS:
        entries = [entry for entry in entries if len(entry) <= _LONG_STATE]
    while len(",".join(entries)) > _STATE_CHARACTERS:
        entries.pop()
    return ",".join(entries)


def _w3c(header: str, state: str) -> TraceContext | None:
    match = _TRACEPARENT.fullmatch(header.strip())
    if match is None or match["version"] == _FORBIDDEN_VERSION or (match["version"] == "00" and match["more"]):
        return None
    if match["trace"] == _NO_TRACE or match["span"] == _NO_SPAN:
        return None
    sampled = bool(int(match["flags"], 16) & _SAMPLED)
    return TraceContext(match["trace"], match["span"], sampled, trace_state(state) if state else "")


def _google(header: str) -> TraceContext | None:
    match = _GOOGLE.fullmatch(header.strip().lower())
    if match is None or match["trace"] == _NO_TRACE:
        return None
    span = int(match["span"] or 0)
    return TraceContext(match["trace"], f"{span:016x}" if 0 < span < _LONGEST_SPAN else "", match["sampled"] == "1")


# Spans

Kind = Literal["internal", "server", "client"]


class Span(Protocol):
    """A piece of work that has a place in a trace."""

    @property
    def context(self) -> TraceContext | None:
        """Where it stands; None where nothing is traced."""

    def describe(self, attributes: Attributes) -> None:
        """Add what is known only now. Names follow OpenTelemetry's semantic conventions, or begin with `sluice.`."""

    def fail(self, sentence: str) -> None:
        """Mark it as failed, and say how. An exception that leaves its block does so by itself."""


class Tracer(Protocol):
    """Makes spans."""

    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        caller: TraceContext | None = None,
        links: Sequence[Span] = (),
        attributes: Attributes | None = None,
    ) -> AbstractContextManager[Span]:
        """Return the span of a `with` block, a part of the one around it.

        Without one around it only a `server` span is made: what runs in the background has no trace of its own.

        Args:
            name: of few different ones: nothing of what a sender wrote.
            kind: OpenTelemetry's SpanKind.
            caller: whose trace a `server` span goes on with.
            links: spans of other requests that are served by this work too.
            attributes: what is known at its beginning.
        """

    def around(
        self,
        work: Callable[P, Awaitable[T]],
        *,
        span: Callable[P, AbstractContextManager[Span]],
        describe: Callable[[Span, T], None] | None = None,
    ) -> Callable[P, Awaitable[T]]:
        """Return `work` with a span around each call of it. Where nothing is traced that is `work` itself, so that a
        stage pays for traces only where somebody has asked for them.

        Args:
            work: a stage; called once for each span.
            span: makes the span of a call, from its arguments.
            describe: adds what is known only of the result.
        """

    async def close(self) -> None:
        """Let open spans end, and hand over what is not yet handed over."""


class _NoSpan:
    context = None

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def describe(self, attributes: Attributes) -> None:
        """See Span."""

    def fail(self, sentence: str) -> None:
        """See Span."""


NO_SPAN = _NoSpan()


class _NoTracer:
    def span(self, name: str, **_: object) -> _NoSpan:  # noqa: ARG002 - a Tracer's
        """See Tracer."""
        return NO_SPAN

    def around(self, work: Callable[P, Awaitable[T]], **_: object) -> Callable[P, Awaitable[T]]:
        """See Tracer."""
        return work

    async def close(self) -> None:
        """See Tracer."""


NO_TRACER: Tracer = _NoTracer()
"""The one that is used unless OpenTelemetry's variables ask for traces."""

current_span: ContextVar[Span] = ContextVar("current_span", default=NO_SPAN)
"""The span around the running code."""

OF_A_REQUEST: Mapping[ContextVar[Any], object] = {
    current_span: NO_SPAN,
    current_trace: None,
    request_id: "",
    admitted_sender: "",
}
"""What tells of the request being served, each with what it is where none is."""

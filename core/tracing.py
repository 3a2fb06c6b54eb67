"""Spans by OpenTelemetry: the only module that knows it, imported only where its variables ask for traces.

The official SDK makes, samples, batches and sends them, as its own variables say (OTEL_TRACES_SAMPLER, OTEL_BSP_*,
OTEL_EXPORTER_OTLP_*). The rest of Sluice knows core.common.trace_context.Tracer.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from core.common.text import cut_utf8
from core.common.trace_context import NO_SPAN, Span, TraceContext, current_span
from core.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from contextvars import Token
    from types import TracebackType

    from core.common.trace_context import Attributes, Kind

P = ParamSpec("P")
T = TypeVar("T")

FLUSH_SECONDS = 5.0
"""What a worker that ends gives its last spans: Cloud Run kills it ten seconds after SIGTERM."""

_KINDS = {kind.name.lower(): kind for kind in trace.SpanKind}
_SENTENCE_BYTES = 1024
_SERVICE = "sluice"


def open_tracer(*, logger: logging.Logger, environ: Mapping[str, str] = os.environ) -> OpenTelemetryTracer:
    """Start a tracer, and the thread that sends its spans. Not before a fork: threads do not survive one.

    What OpenTelemetry itself has to say, such as a collector that cannot be reached, goes where `logger` writes.
    """
    of_the_sdk = logging.getLogger("opentelemetry")
    of_the_sdk.handlers, of_the_sdk.propagate = logger.handlers, False
    of_the_sdk.setLevel(logging.WARNING)
    provider = TracerProvider(resource=_resource(environ), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetryTracer(provider=provider)


def _resource(environ: Mapping[str, str]) -> Resource:
    """Return who we are: as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, else as Knative and Cloud Run do."""
    ours = {"service.name": environ.get("K_SERVICE") or _SERVICE, "service.version": VERSION}
    if revision := environ.get("K_REVISION"):
        ours["faas.version"] = revision
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


class OpenTelemetryTracer:
    """A core.common.trace_context.Tracer of one event loop. It ends its provider with itself."""

    def __init__(self, *, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_SERVICE, VERSION)
        self._open = 0
        self._none_open = asyncio.Event()

    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        caller: TraceContext | None = None,
        links: Sequence[Span] = (),
        attributes: Attributes | None = None,
    ) -> AbstractContextManager[Span]:
        """See Tracer."""
        around = current_span.get()
        if kind != "server" and not isinstance(around, OpenTelemetrySpan):
            return NO_SPAN
        parent = around.span if isinstance(around, OpenTelemetrySpan) else _remote(caller)
        made = self._tracer.start_span(
            name,
            context=trace.set_span_in_context(parent),
            kind=_KINDS[kind],
            attributes=attributes,
            links=[trace.Link(link.span.get_span_context()) for link in links if isinstance(link, OpenTelemetrySpan)],
        )
        self._open += 1
        return OpenTelemetrySpan(made, self)

    def around(
        self,
        work: Callable[P, Awaitable[T]],
        *,
        span: Callable[P, AbstractContextManager[Span]],
        describe: Callable[[Span, T], None] | None = None,
    ) -> Callable[P, Awaitable[T]]:
        """See Tracer."""

        async def traced(*args: P.args, **kwargs: P.kwargs) -> T:
            with span(*args, **kwargs) as made:
                result = await work(*args, **kwargs)
                if describe is not None:
                    describe(made, result)
            return result

        return traced

    def ended(self) -> None:
        """Note that a span has ended."""
        self._open -= 1
        if not self._open:
            self._none_open.set()

    async def close(self) -> None:
        """Wait for open spans, then send what is left; after FLUSH_SECONDS in all, leave the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                while self._open:
                    self._none_open.clear()
                    await self._none_open.wait()
                await self._send_the_rest()

    async def _send_the_rest(self) -> None:
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # it took longer than the loop lived
                loop.call_soon_threadsafe(sent.set)

        # A daemon: an executor's thread would keep the process until the collector answers.
        Thread(target=send, name="last-spans", daemon=True).start()
        await sent.wait()


class OpenTelemetrySpan:
    """A span, current within its `with` block."""

    def __init__(self, span: trace.Span, tracer: OpenTelemetryTracer) -> None:
        self.span = span
        self._tracer = tracer
        self._token: Token[Span] | None = None

    @property
    def context(self) -> TraceContext:
        """See Span."""
        context = self.span.get_span_context()
        return TraceContext(
            trace.format_trace_id(context.trace_id),
            trace.format_span_id(context.span_id),
            context.trace_flags.sampled,
            context.trace_state.to_header(),
        )

    def describe(self, attributes: Attributes) -> None:
        """See Span."""
        self.span.set_attributes(attributes)

    def fail(self, sentence: str) -> None:
        """See Span."""
        self.span.set_status(trace.StatusCode.ERROR, cut_utf8(sentence, limit=_SENTENCE_BYTES))

    def __enter__(self) -> Span:
        self._token = current_span.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._token is not None:
            current_span.reset(self._token)
        if kind is not None:
            self.describe({"error.type": kind.__qualname__})
            self.fail(str(error))
        self.span.end()
        self._tracer.ended()


def _remote(caller: TraceContext | None) -> trace.Span:
    """Return the caller's span as a parent; nobody's, where the caller named none."""
    if caller is None or not caller.span_id:
        return trace.INVALID_SPAN
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if caller.sampled else trace.TraceFlags.DEFAULT)
    context = trace.SpanContext(
        int(caller.trace_id, 16),
        int(caller.span_id, 16),
        is_remote=True,
        trace_flags=flags,
        trace_state=trace.TraceState.from_header([caller.state]) if caller.state else None,
    )
    return trace.NonRecordingSpan(context)

"""One HTTP request, from its first byte to its answer: routed, admitted, read, passed on, and each error answered.

Bodies share a budget of bytes. Those that find no room wait in the senders' own buffers, and are then shed. Without it
the memory would be what senders make of it: as many connections as there are, times SLUICE_MAX_BODY.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from core.answers import Answer, problem
from core.common.resilience import Deadline
from core.common.text import cut_utf8
from core.common.trace_context import NO_TRACER, TRACE_HEADERS, current_trace, request_id, sent_by, trace_of
from core.errors import (
    AccessError,
    ConfigurationError,
    DeadlineExceededError,
    OverloadedError,
    PayloadError,
    PayloadTooLargeError,
    TransientError,
    UnauthenticatedError,
    UnsupportedPayloadError,
)
from core.kube.errors import KubernetesError
from core.logs import ONCE_A_SECOND
from core.metrics import method_label
from core.results import retry_after
from core.signals.kubernaut import TIMESTAMP
from functions._gzip import ENCODINGS, unpack
from functions._headers import PREFLIGHT, REQUEST_ID, check_timestamp, is_preflight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractContextManager

    from starlette.requests import Request

    from core.common.resilience import Share
    from core.common.trace_context import Span, TraceContext, Tracer
    from core.gateway import Gateway
    from functions._gzip import MakeRoom
    from functions._worker import Worker

_IDENTITY = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_LOGGED_ADDRESS_BYTES = 200

FREE_BYTES = 64 * 1024
"""What a body may have brought before it has to wait. uvicorn reads as much before it asks whether we want it; and a
sender that announces much and sends little takes nothing from others."""

_UNWRAPPED = "x-goog-pubsub-message-id"
_WAITING = 0.85
"""How much of a request's time its body may wait for room."""

_EXPECTED = 1024 * 1024
"""Bytes of room for a body that does not say how long it is, once more than a little of it has come. Bodies that take
room bit by bit would wait for one another, each with a part of it."""

_LONGEST_LENGTH = 20  # digits of a 64-bit number


class Receiver(Protocol):
    """Takes what senders send; made once in each event loop."""

    async def receive(self, headers: Mapping[str, str], body: bytes, /, *, deadline: Deadline) -> Answer:
        """Store the signals of one body, or raise what `core.errors` has an answer for."""

    async def close(self) -> None:
        """Give back what is held open."""


class Handler(NamedTuple):
    """What is served at a path.

    Args:
        label: what metrics call it, so that senders cannot make new series.
        methods: that it takes, as the header Allow lists them; empty where it is left to `respond`.
        respond: makes the answer, or raises what `core.errors` has an answer for.
        headers: of every answer there.
        cross_origin: pages of any origin may send to it.
        probe: asked by who watches the process (kubelet, Prometheus), not by a sender.
    """

    label: str
    methods: str
    respond: Callable[[Request], Awaitable[Answer]]
    headers: Mapping[str, str]
    cross_origin: bool = False
    probe: bool = False


class Endpoint:
    """One function in one process.

    Args:
        worker: the process.
        handlers: what is served, by path.
        fallback: what is served at every other path.
        prepare: awaited before each request.
    """

    def __init__(
        self,
        *,
        worker: Worker,
        handlers: Mapping[str, Handler],
        fallback: Handler,
        prepare: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._worker = worker
        self._handlers = handlers
        self._fallback = fallback
        self._prepare = prepare

    def as_function(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        """Return what functions-framework calls with each request; it goes by the function's name."""

        async def function(request: Request) -> Response:
            return await self._respond(request)

        function.__name__ = name
        return function

    async def _respond(self, request: Request) -> Response:
        if self._prepare:
            await self._prepare()
        identity = _request_id_of(request.headers)
        token = request_id.set(identity)
        try:
            given = await self.answer(request)
        finally:
            request_id.reset(token)
        headers = {**self._handler(request).headers, REQUEST_ID: identity, **given.headers}
        return Response(given.body, given.status, headers, given.media_type)

    def _handler(self, request: Request) -> Handler:
        return self._handlers.get(request.scope["path"], self._fallback)

    async def answer(self, request: Request) -> Answer:
        """Answer one request, whatever happens in it."""
        started = self._worker.clock.monotonic()
        handler, headers = self._handler(request), request.headers
        respond = partial(
            _guarded, self._worker, partial(_route, handler, request), request=request, probe=handler.probe
        )
        tracer = NO_TRACER if handler.probe else await self._worker.tracer()
        caller = None
        if any(name in headers for name in TRACE_HEADERS):
            caller = trace_of(headers, tracestate=headers.getlist("tracestate"))
        if tracer is not NO_TRACER:
            respond = partial(
                _in_span, respond, tracer=tracer, caller=caller, method=request.method, endpoint=handler.label
            )
        token = current_trace.set(caller)
        try:
            given = await respond()
        finally:
            current_trace.reset(token)
        seconds = self._worker.clock.monotonic() - started
        self._worker.metrics.answered(
            endpoint=handler.label, method=request.method, status=given.status, seconds=seconds
        )
        return given


def _request_id_of(headers: Mapping[str, str]) -> str:
    """Return the X-Request-ID that the sender gave, or a new one where it gave none that can be logged as it is."""
    given = headers.get(REQUEST_ID, "")
    return given if _IDENTITY.fullmatch(given) else os.urandom(16).hex()


async def _route(handler: Handler, request: Request) -> Answer:
    method = request.method
    if handler.cross_origin and is_preflight(method, request.headers):
        return Answer(204, b"", None, PREFLIGHT)
    if handler.methods and method not in handler.methods.split(", "):
        path = request.scope["path"]
        return problem(
            405, f"{path} does not take {method}, only {handler.methods}", headers={"Allow": handler.methods}
        )
    return await handler.respond(request)


async def _in_span(
    respond: Callable[[], Awaitable[Answer]],
    *,
    tracer: Tracer,
    caller: TraceContext | None,
    method: str,
    endpoint: str,
) -> Answer:
    """Respond within the request's span; log lines meanwhile carry it instead of the caller's."""
    method = method_label(method)
    with tracer.span(
        f"{method} {endpoint}",
        kind="server",
        caller=caller,
        attributes={"http.request.method": method, "http.route": endpoint, "sluice.request_id": request_id.get()},
    ) as span:
        current_trace.set(span.context or caller)
        given = await respond()
        span.describe({"http.response.status_code": given.status})
        if given.status >= 500:
            span.fail(f"answered {given.status}")
    return given


def _address(request: Request) -> str:
    """Return where a request comes from: as proxies in front say, and who is connected. Both are for people: the first
    may be made up."""
    claimed = request.headers.get("x-forwarded-for", "")
    connected = request.client.host if request.client else ""
    return cut_utf8(", ".join(each for each in (claimed, connected) if each), limit=_LOGGED_ADDRESS_BYTES)


async def _guarded(
    worker: Worker, respond: Callable[[], Awaitable[Answer]], *, request: Request, probe: bool
) -> Answer:
    """Turn every error into its answer; an unforeseen one is our fault, so the sender must try again."""
    try:
        return await respond()
    except PayloadError as error:
        worker.metrics.parse_dropped.labels(reason=error.reason).inc()
        worker.logger.warning("a body was refused: %s", error, extra={"field": error.field, "reason": error.reason})
        headers = {"Accept-Encoding": "gzip"} if error.field == "Content-Encoding" else {}  # RFC 9110, section 15.5.16
        return problem(error.status, error.told, headers=headers)
    except AccessError as error:
        worker.logger.warning(
            "a sender was refused: %s",
            error,
            extra={"sender": _address(request), "status": error.status} | ONCE_A_SECOND,
        )
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthenticatedError) else {}
        return problem(error.status, error.told, headers=headers)
    except (KubernetesError, TransientError, ConfigurationError) as error:
        if isinstance(error, OverloadedError):
            worker.metrics.shed(error.shed)
        # The sentence is enough, without a stack trace. A failed probe is a warning only: no sender has to send again.
        level, what = (logging.WARNING, "not ready") if probe else (logging.ERROR, "a request has to be sent again")
        worker.logger.log(level, "%s: %s", what, error, extra=ONCE_A_SECOND)
        return problem(503, error.told, retry_after=retry_after(error))
    except ClientDisconnect:
        return problem(503, "the sender went away before its body was complete", retry_after=1)
    except Exception:
        worker.logger.exception("unforeseen error; the sender is asked to try again")
        return problem(503, "an unforeseen error; it is logged, and the same request may work later", retry_after=5)


class RequestIntake:
    """Takes bodies of one form in one event loop: who sends, what is sent, and what becomes of it.

    Args:
        gateway: of the loop.
        receiver: takes the bodies; closed with this.
        any_type: takes bodies that are not JSON.
    """

    def __init__(self, *, gateway: Gateway, receiver: Receiver, any_type: bool = False) -> None:
        def stage(name: str) -> Callable[..., AbstractContextManager[Span]]:
            return lambda *_, **__: gateway.tracer.span(name)

        around = gateway.tracer.around
        read = partial(read_body, limit=gateway.settings.max_body, any_type=any_type)
        self._gateway = gateway
        self._admit = around(gateway.gate.admit, span=stage("admission")) if gateway.gate else None
        self._read = around(read, span=stage("body"), describe=_describe_body)
        self._receive = around(receiver.receive, span=stage("intake"))
        self.close = receiver.close

    async def take(self, request: Request) -> Answer:
        """Admit a request, read its body and store what is in it; raises what `core.errors` has an answer for."""
        deadline = Deadline(clock=self._gateway.clock, seconds=self._gateway.settings.request_deadline)
        sender = ""
        if self._admit:
            sender = await self._admit(request.headers.get("authorization", ""), deadline=deadline)
        if TIMESTAMP in request.headers:
            check_timestamp(request.headers[TIMESTAMP], now=self._gateway.clock.now())
        with self._gateway.bodies.share() as share:
            body = await self._read(request, share=share, timeout=deadline.remaining())
            with sent_by(sender) if sender else nullcontext():
                return await self._receive(request.headers, body, deadline=deadline)


async def take_signals(worker: Worker, intake: Callable[[], Awaitable[RequestIntake]], request: Request) -> Answer:
    """Take what a sender sends; `intake` returns that of the running loop."""
    given = await (await intake()).take(request)
    if not worker.has_answered:
        worker.started()
    return given


def _describe_body(span: Span, body: bytes) -> None:
    span.describe({"http.request.body.size": len(body)})


async def read_body(request: Request, *, limit: int, share: Share, timeout: float, any_type: bool = False) -> bytes:
    """Return the body of a request, unpacked where it came packed.

    Args:
        request: as the framework hands it over, not yet read.
        limit: bytes, as they come and unpacked; reading stops with the chunk that goes past it.
        share: of the bytes that may be held; it grows with the body, and what is announced waits for room first.
        timeout: seconds for the whole body to arrive.
        any_type: take what is not JSON too.

    Raises:
        UnsupportedPayloadError: another content type or encoding.
        PayloadError: it is packed, and broken.
        PayloadTooLargeError: more than `limit` bytes, announced or sent.
        OverloadedError: there was no room for it in time.
        DeadlineExceededError: the sender is too slow.
    """
    if not any_type:
        _check_type(request)
    packed = _is_packed(request)
    announced = request.headers.get("content-length", "")
    # int() refuses thousands of digits with an error of its own
    if announced.isdecimal() and (len(announced) > _LONGEST_LENGTH or int(announced) > limit):
        raise _too_large(announced, limit)
    try:
        async with asyncio.timeout(timeout) as time:
            make_room = partial(_grow, share, time)
            expected = int(announced) if announced.isdecimal() else min(limit, _EXPECTED)
            body = await _read(request, limit, expected, make_room)
            if packed:
                body = await unpack(body, limit=limit, make_room=make_room)
    except TimeoutError as error:
        raise DeadlineExceededError(f"the body did not arrive within {timeout:.1f} s") from error
    return body


async def _read(request: Request, limit: int, expected: int, make_room: MakeRoom) -> bytes:
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(f"more than {limit}", limit)
        if size > FREE_BYTES:
            await make_room(max(size, expected))
        chunks.append(chunk)
    await make_room(size)
    return b"".join(chunks)


async def _grow(share: Share, time: asyncio.Timeout, size: int) -> None:
    """Wait for room, but leave some of the request's time for the work itself."""
    left = (time.when() or 0.0) - asyncio.get_running_loop().time()
    await share.grow(size, timeout=max(0.0, left * _WAITING))


def _check_type(request: Request) -> None:
    if _UNWRAPPED in request.headers:
        return  # a Pub/Sub message's own type is its publisher's choice, or there is none
    content_type = request.headers.get("content-type", "application/json")
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedPayloadError(
            f"Content-Type is {content_type!r}; send application/json", field="Content-Type", reason="content_type"
        )
    charset = next((part.removeprefix("charset=") for part in parameters if part.startswith("charset=")), "utf-8")
    if charset.strip('"') not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedPayloadError(
            f"Content-Type is {content_type!r}; JSON is sent as utf-8", field="Content-Type", reason="content_type"
        )


def _is_packed(request: Request) -> bool:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() in ENCODINGS:
        return True
    if encoding.strip().lower() == "identity":
        return False
    raise UnsupportedPayloadError(
        f"Content-Encoding is {encoding!r}; send the body as it is, or packed with gzip",
        field="Content-Encoding",
        reason="content_type",
    )


def _too_large(size: str, limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"the body has {size} bytes, the limit is {limit}; split the group by group_by, or raise SLUICE_MAX_BODY",
        reason="too_large",
    )

"""What every function does around its decoder: route, admit, read, answer, measure."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from core.answers import Answer, problem
from core.common.memory import PerLoop
from core.common.resilience import Deadline
from core.common.text import cut_utf8, rfc3339
from core.common.trace_context import NO_TRACER, TRACE_HEADERS, current_trace, request_id, sent_by, trace_of
from core.errors import (
    AccessError,
    ConfigurationError,
    OverloadedError,
    PayloadError,
    TransientError,
    UnauthenticatedError,
)
from core.kube.errors import KubernetesError
from core.logs import ONCE_A_SECOND
from core.metrics import method_label
from core.results import retry_after
from functions._connections import bound_connections
from functions._metrics_port import MetricsPort
from functions._request import (
    CROSS_ORIGIN,
    KUBERNAUTS,
    PREFLIGHT,
    REQUEST_ID,
    STANDARD,
    check_timestamp,
    is_preflight,
    read_body,
    request_id_of,
)
from functions._worker import Worker, start_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractContextManager

    from starlette.requests import Request

    from core.common.trace_context import Span, TraceContext, Tracer
    from core.gateway import Gateway
    from core.triggers.descriptions import Description

    CheckReady = Callable[[Gateway, Deadline], Awaitable[None]]

_PROBES = {"/healthz": "GET, HEAD", "/readyz": "GET, HEAD", "/metrics": "GET"}
DESCRIPTION = "/openapi.json"
_LOGGED_ADDRESS_BYTES = 200


class Receiver(Protocol):
    """Takes what senders send; made once in each event loop."""

    async def receive(self, headers: Mapping[str, str], body: bytes, /, *, deadline: Deadline) -> Answer:
        """Store the signals of one body, or raise what `core.errors` has an answer for."""

    async def close(self) -> None:
        """Give back what is held open."""


class Route(NamedTuple):
    """A path that takes bodies of another form than its function's other paths.

    Args:
        path: that people are told to send to.
        receiver_over: makes its receiver of an event loop, at the first such body.
        description: what the function's OpenAPI document says of it.
    """

    path: str
    receiver_over: Callable[[Gateway], Receiver]
    description: Description


class Routes(NamedTuple):
    """Where a function takes signals, by POST, and what it serves besides.

    Args:
        paths: that people are told to send to.
        everywhere: takes signals at every other path too, as senders of CloudEvents expect.
        description: what its OpenAPI document says; without one it serves none.
        others: paths that take something else.
    """

    paths: tuple[str, ...] = ("/",)
    everywhere: bool = False
    description: Description | None = None
    others: tuple[Route, ...] = ()

    @property
    def all_paths(self) -> tuple[str, ...]:
        """All paths that people are told to send to."""
        return self.paths + tuple(other.path for other in self.others)

    @property
    def bodies(self) -> dict[str, Description]:
        """What people are told of the bodies at each path; empty where there is no description."""
        if self.description is None:
            return {}
        return dict.fromkeys(self.paths, self.description) | {other.path: other.description for other in self.others}

    def methods(self, path: str) -> str:
        """Return the methods that `path` takes; nothing where nothing is served."""
        if path == DESCRIPTION and self.description:
            return "GET"
        return _PROBES.get(path) or ("POST" if self.everywhere or path in self.all_paths else "")

    def label(self, path: str) -> str:
        """Return what metrics call `path`, so that senders cannot make new series."""
        if path in self.all_paths or path in _PROBES or (path == DESCRIPTION and self.description):
            return path
        return self.paths[0] if self.everywhere else "other"


async def _gateway_is_ready(gateway: Gateway, deadline: Deadline) -> None:
    await gateway.check_ready(deadline=deadline)


def serve_http(
    *,
    name: str,
    receiver_over: Callable[[Gateway], Receiver],
    paths: tuple[str, ...] = ("/",),
    everywhere: bool = False,
    description: Description | None = None,
    others: tuple[Route, ...] = (),
    any_type: bool = False,
    check_ready: CheckReady = _gateway_is_ready,
) -> Callable[[Request], Awaitable[Response]]:
    """Return the function that functions-framework calls with each request.

    Settings are read here, at import, so that a wrong one stops the start; nothing that belongs to an
    event loop is made before the first request.

    Args:
        name: as the function is deployed.
        receiver_over: makes the receiver of an event loop, at the first signal.
        paths: that people are told to send to.
        everywhere: takes signals at every other path too, as senders of CloudEvents expect.
        description: what its OpenAPI document says; without one it serves none.
        others: paths that take something else.
        any_type: takes bodies that are not JSON.
        check_ready: what /readyz asks; whether RRs can be stored, unless told otherwise.

    Raises:
        SystemExit: a setting is wrong.
    """
    worker = start_worker()
    bound_connections(shed=partial(worker.metrics.shed, "connections"))

    async def build(over: Callable[[Gateway], Receiver]) -> Intake:
        gateway = await worker.gateway()
        return Intake(gateway=gateway, receiver=over(gateway), any_type=any_type)

    routes = Routes(paths=paths, everywhere=everywhere, description=description, others=others)
    endpoint = Endpoint(
        worker=worker,
        intake=PerLoop(partial(build, receiver_over)).get,
        others={other.path: PerLoop(partial(build, other.receiver_over)).get for other in others},
        routes=routes,
        check_ready=check_ready,
    )
    metrics_port = MetricsPort(port=worker.settings.metrics_port, registry=worker.registry, logger=worker.logger)
    metrics_port.open_in_workers()
    metrics_ports = PerLoop(metrics_port.open)

    async def function(request: Request) -> Response:
        await metrics_ports.get()
        identity = request_id_of(request.headers)
        token = request_id.set(identity)
        try:
            given = await endpoint.answer(request)
        finally:
            request_id.reset(token)
        headers = {**endpoint.standard(request.scope["path"]), REQUEST_ID: identity, **given.headers}
        return Response(given.body, given.status, headers, given.media_type)

    function.__name__ = name
    return function


class Intake:
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

    async def take(self, request: Request, *, deadline: Deadline) -> Answer:
        """Admit a request, read its body and store what is in it; raises what `core.errors` has an answer for."""
        sender = ""
        if self._admit:
            sender = await self._admit(request.headers.get("authorization", ""), deadline=deadline)
        check_timestamp(request.headers, now=self._gateway.clock.now())
        with self._gateway.bodies.share() as share:
            body = await self._read(request, share=share, timeout=deadline.remaining())
            with sent_by(sender) if sender else nullcontext():
                return await self._receive(request.headers, body, deadline=deadline)


def _describe_body(span: Span, body: bytes) -> None:
    span.describe({"http.request.body.size": len(body)})


class Endpoint:
    """One function in one process; `intake` returns that of the running loop, `others` by path those of its other
    forms."""

    def __init__(
        self,
        *,
        worker: Worker,
        intake: Callable[[], Awaitable[Intake]],
        routes: Routes,
        others: Mapping[str, Callable[[], Awaitable[Intake]]] = MappingProxyType({}),
        check_ready: CheckReady = _gateway_is_ready,
    ) -> None:
        self._check_ready = check_ready
        self._worker = worker
        self._routes = routes
        self._intake = intake
        self._others = others
        # Answered without the API server.
        self._by_itself = {"/healthz": self._health, "/metrics": self._metrics}
        if routes.description:
            self._by_itself[DESCRIPTION] = self._describe
        as_kubernaut = worker.settings.profile == "kubernaut"
        self._standard = STANDARD | KUBERNAUTS if as_kubernaut else STANDARD
        # Where nobody has to prove who they are, any page that a browser shows could send alerts.
        self._cross_origin = as_kubernaut and "none" not in worker.settings.auth_ways

    def standard(self, path: str) -> Mapping[str, str]:
        """Return the headers that every answer at `path` has."""
        return (
            self._standard | CROSS_ORIGIN if self._cross_origin and path in self._routes.all_paths else self._standard
        )

    async def answer(self, request: Request) -> Answer:
        """Answer one request, whatever happens in it."""
        started = self._worker.clock.monotonic()
        path, headers = request.scope["path"], request.headers
        endpoint, probe = self._routes.label(path), path in _PROBES
        respond = partial(_guarded, self._worker, partial(self._route, request), request=request, probe=probe)
        tracer = NO_TRACER if probe else await self._worker.tracer()
        caller = None
        if any(name in headers for name in TRACE_HEADERS):
            caller = trace_of(headers, tracestate=headers.getlist("tracestate"))
        if tracer is not NO_TRACER:
            respond = partial(_in_span, respond, tracer=tracer, caller=caller, method=request.method, endpoint=endpoint)
        token = current_trace.set(caller)
        try:
            given = await respond()
        finally:
            current_trace.reset(token)
        seconds = self._worker.clock.monotonic() - started
        self._worker.metrics.answered(endpoint=endpoint, method=request.method, status=given.status, seconds=seconds)
        return given

    async def _route(self, request: Request) -> Answer:
        path, method = request.scope["path"], request.method
        allowed = self._routes.methods(path)
        if not allowed:
            return problem(404, f"nothing is served at {path}; send signals to {' or '.join(self._routes.all_paths)}")
        if self._cross_origin and path in self._routes.all_paths and is_preflight(method, request.headers):
            return Answer(204, b"", None, PREFLIGHT)
        if method not in allowed.split(", "):
            return problem(405, f"{path} does not take {method}, only {allowed}", headers={"Allow": allowed})
        if path in self._by_itself:
            return self._by_itself[path](request)
        gateway = await self._worker.gateway()
        deadline = Deadline(clock=gateway.clock, seconds=gateway.settings.request_deadline)
        if path == "/readyz":
            await self._check_ready(gateway, deadline)
            warnings = gateway.clusters.seen
            return Answer(200, to_json({"status": "ready"} | ({"warnings": warnings} if warnings else {})))
        intake = await self._others.get(path, self._intake)()
        given = await intake.take(request, deadline=deadline)
        if not self._worker.has_answered:
            self._worker.started()
        return given

    def _health(self, _: Request) -> Answer:
        return Answer(200, to_json({"status": "healthy", "timestamp": rfc3339(self._worker.clock.now())}))

    def _metrics(self, request: Request) -> Answer:
        return Answer(200, *self._worker.exposition(request.headers.get("accept", "")))

    def _describe(self, _: Request) -> Answer:
        from functions._openapi import document  # noqa: PLC0415 - no cold start pays for it

        return Answer(200, document(self._routes.bodies))


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
    """Turn every error into its answer; an unforeseen one is ours, so the sender must try again."""
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
        # Its sentence says it all. A probe costs no sender anything: whoever asked knows what to do.
        level, what = (logging.WARNING, "not ready") if probe else (logging.ERROR, "a request has to be sent again")
        worker.logger.log(level, "%s: %s", what, error, extra=ONCE_A_SECOND)
        return problem(503, error.told, retry_after=retry_after(error))
    except ClientDisconnect:
        return problem(503, "the sender went away before its body was complete", retry_after=1)
    except Exception:
        worker.logger.exception("unforeseen error; the sender is asked to try again")
        return problem(503, "an unforeseen error; it is logged, and the same request may work later", retry_after=5)

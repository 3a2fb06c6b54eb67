"""What every HTTP function does around its decoder: route, admit, read, answer, measure."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from core.answers import Answer, answer, problem
from core.clock import Deadline
from core.errors import AccessError, ConfigurationError, PayloadError, TransientError, UnauthenticatedError
from core.kube.errors import KubernetesError
from core.logs import trace_id
from core.verdict import retry_after
from functions._body import read_json_body
from functions._worker import Worker, start_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from core.gateway import Gateway
    from core.models.batch import Batch

_SIGNAL_PATHS = ("/", "/api/v1/signals/prometheus")
_ALLOWED = {**dict.fromkeys(_SIGNAL_PATHS, "POST"), "/healthz": "GET, HEAD", "/readyz": "GET, HEAD", "/metrics": "GET"}
# Answered before the body was read: the server would read what is left of it only to throw it away.
_BODY_LEFT_UNREAD = (401, 403, 404, 405, 413, 415)


class Decode(Protocol):
    """Turns a body into a batch, or raises PayloadError."""

    def __call__(self, body: bytes, *, received_time: datetime, signal_type: str) -> Batch:
        """Decode `body`."""


def serve_http(*, name: str, decode: Decode) -> Callable[[Request], Awaitable[Response]]:
    """Return the function that functions-framework calls with each request.

    Settings are read here, at import, so that a wrong one stops the start; nothing that belongs to an
    event loop is made before the first request.
    """
    worker = start_worker()

    async def function(request: Request) -> Response:
        return await _measured(worker, request, partial(_route, worker, request, decode))

    function.__name__ = name
    return function


async def _measured(worker: Worker, request: Request, route: Callable[[], Awaitable[Answer]]) -> Response:
    started = worker.clock.monotonic()
    token = trace_id.set(_trace_of(request))
    try:
        given = await _guarded(worker, route)
        worker.metrics.request_duration.labels(
            endpoint=request.url.path if request.url.path in _ALLOWED else "other",
            method=request.method,
            status=str(given.status),
        ).observe(worker.clock.monotonic() - started)
        return _response(given)
    finally:
        trace_id.reset(token)


def _response(given: Answer) -> Response:
    closing = {"Connection": "close"} if given.status in _BODY_LEFT_UNREAD else {}
    return Response(given.body, given.status, dict(given.headers) | closing, given.media_type)


async def _guarded(worker: Worker, route: Callable[[], Awaitable[Answer]]) -> Answer:
    """Turn every error into its answer; an unforeseen one is ours, so the sender must try again."""
    try:
        return await route()
    except PayloadError as error:
        worker.metrics.parse_dropped.labels(reason=error.reason).inc()
        worker.logger.warning("a body was refused: %s", error, extra={"field": error.field, "reason": error.reason})
        return problem(error.status, str(error))
    except AccessError as error:
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthenticatedError) else {}
        return problem(error.status, str(error), headers=headers)
    except (KubernetesError, TransientError, ConfigurationError) as error:
        worker.logger.error("a request has to be sent again: %s", error)  # noqa: TRY400 - its sentence says it all
        return problem(503, str(error), retry_after=retry_after(error))
    except ClientDisconnect:
        return problem(503, "the sender went away before its body was complete", retry_after=1)
    except Exception:
        worker.logger.exception("unforeseen error; the sender is asked to try again")
        return problem(503, "an unforeseen error; it is logged, and the same request may work later", retry_after=5)


async def _route(worker: Worker, request: Request, decode: Decode) -> Answer:
    path, method = request.url.path, request.method
    if path not in _ALLOWED:
        return problem(404, f"nothing is served at {path}; send alerts to {' or '.join(_SIGNAL_PATHS)}")
    if method not in _ALLOWED[path].split(", "):
        return problem(405, f"{path} does not take {method}, only {_ALLOWED[path]}", headers={"Allow": _ALLOWED[path]})
    if path == "/healthz":
        return Answer(200, b'{"status":"ok"}')
    if path == "/metrics":
        return Answer(200, worker.exposition(), worker.exposition_type)
    gateway = await worker.gateway()
    deadline = Deadline(clock=gateway.clock, seconds=gateway.settings.request_deadline)
    if path == "/readyz":
        await gateway.check_ready(deadline=deadline)
        return Answer(200, b'{"status":"ready"}')
    return await _receive(gateway, request, decode, deadline)


async def _receive(gateway: Gateway, request: Request, decode: Decode, deadline: Deadline) -> Answer:
    await gateway.gate.admit(request.headers.get("authorization", ""), deadline=deadline)
    body = await read_json_body(request, limit=gateway.settings.max_body, timeout=deadline.remaining())
    batch = decode(body, received_time=gateway.clock.now(), signal_type=gateway.settings.signal_type)
    digest = hashlib.sha256(body).digest()
    results = await gateway.pipeline.process(batch, digest=digest, deadline=deadline)
    return answer(results, truncated=batch.truncated)


def _trace_of(request: Request) -> str:
    traceparent = request.headers.get("traceparent", "").split("-")
    if len(traceparent) == 4:  # W3C Trace Context: version-trace-span-flags
        return traceparent[1]
    return request.headers.get("x-cloud-trace-context", "").split("/")[0]

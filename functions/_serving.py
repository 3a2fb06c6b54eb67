"""What every HTTP function does around its decoder: route, admit, read, answer, measure."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from core.answers import Answer, answer, problem
from core.clock import Deadline
from functions._answering import measured, trace_of
from functions._body import read_json_body
from functions._worker import Worker, start_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from starlette.requests import Request

    from core.gateway import Gateway
    from core.models.batch import Batch

_SIGNAL_PATHS = ("/", "/api/v1/signals/prometheus")
_ALLOWED = {
    **dict.fromkeys(_SIGNAL_PATHS, "POST"),
    "/healthz": "GET, HEAD",
    "/readyz": "GET, HEAD",
    "/metrics": "GET",
    "/openapi.json": "GET",
}
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
        path = request.scope["path"]
        given = await measured(
            worker,
            partial(_route, worker, request, decode),
            endpoint=path if path in _ALLOWED else "other",
            method=request.method,
            trace=trace_of(request.headers),
        )
        closing = {"Connection": "close"} if given.status in _BODY_LEFT_UNREAD else {}
        return Response(given.body, given.status, dict(given.headers) | closing, given.media_type)

    function.__name__ = name
    return function


async def _route(worker: Worker, request: Request, decode: Decode) -> Answer:
    path, method = request.scope["path"], request.method
    if path not in _ALLOWED:
        return problem(404, f"nothing is served at {path}; send alerts to {' or '.join(_SIGNAL_PATHS)}")
    if method not in _ALLOWED[path].split(", "):
        return problem(405, f"{path} does not take {method}, only {_ALLOWED[path]}", headers={"Allow": _ALLOWED[path]})
    if path in _BY_ITSELF:
        return _BY_ITSELF[path](worker)
    gateway = await worker.gateway()
    deadline = Deadline(clock=gateway.clock, seconds=gateway.settings.request_deadline)
    if path == "/readyz":
        await gateway.check_ready(deadline=deadline)
        return Answer(200, b'{"status":"ready"}')
    return await _receive(gateway, request, decode, deadline)


def _health(_worker: Worker) -> Answer:
    return Answer(200, b'{"status":"ok"}')


def _metrics(worker: Worker) -> Answer:
    return Answer(200, worker.exposition(), worker.exposition_type)


def _openapi(_worker: Worker) -> Answer:
    from functions._openapi import description  # noqa: PLC0415 - no cold start pays for it

    return Answer(200, description(_SIGNAL_PATHS))


# Answered without the API server.
_BY_ITSELF = {"/healthz": _health, "/metrics": _metrics, "/openapi.json": _openapi}


async def _receive(gateway: Gateway, request: Request, decode: Decode, deadline: Deadline) -> Answer:
    await gateway.gate.admit(request.headers.get("authorization", ""), deadline=deadline)
    body = await read_json_body(request, limit=gateway.settings.max_body, timeout=deadline.remaining())
    batch = decode(body, received_time=gateway.clock.now(), signal_type=gateway.settings.signal_type)
    digest = hashlib.sha256(body).digest()
    results = await gateway.pipeline.process(batch, digest=digest, deadline=deadline)
    return answer(results, truncated=batch.truncated)

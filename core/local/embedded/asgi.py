"""The API as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from core.local.embedded.bodies import MAX_BODY
from core.local.embedded.calls import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from core.local.embedded.api import EmbeddedApi
    from core.local.embedded.watching import Watch

AsgiCallable = Callable[[Any, Any, Any], Awaitable[None]]

_WATCH_SECONDS = 1800.0
_END = b""


class AsgiApp:
    """Answers HTTP requests from an EmbeddedApi."""

    def __init__(self, api: EmbeddedApi) -> None:
        self._api = api
        self._watches: set[asyncio.Queue[bytes]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        call = Call(
            method=request.method,
            path=scope["path"],
            query=dict(request.query_params),
            headers=_headers(request),
            body=await _body(request),
        )
        watch = self._api.open_watch(call)
        response = self._stream(call, watch) if watch else self._respond(call)
        await response(scope, receive, send)

    def end_watches(self) -> None:
        """End all streams, as a server that stops does."""
        for queue in self._watches:
            queue.put_nowait(_END)

    def _respond(self, call: Call) -> Response:
        answer = self._api.handle(call)
        body = b"" if call.method == "HEAD" else answer.body
        return Response(body, status_code=answer.status, headers=dict(answer.headers))

    def _stream(self, call: Call, watch: Watch) -> Response:
        seconds = call.query.get("timeoutSeconds", "")
        lines = self._lines(watch, float(seconds) if seconds.isdecimal() else _WATCH_SECONDS)
        headers = {"Content-Type": "application/json", "Date": self._api.date()}
        return StreamingResponse(lines, headers=headers)

    async def _lines(self, watch: Watch, seconds: float) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        first, end = watch.start(queue.put_nowait)
        self._watches.add(queue)
        try:
            for line in first:
                yield line
            async with asyncio.timeout(seconds):
                while (line := await queue.get()) != _END:
                    yield line
        except TimeoutError:
            return
        finally:
            self._watches.discard(queue)
            end()


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def _body(request: Request) -> bytes:
    """Return the body, not reading on once it is longer than the API takes."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            break
    return b"".join(parts)

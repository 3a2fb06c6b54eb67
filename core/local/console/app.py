"""The page's HTTP: the page itself, its stream of events, and one RR in full."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from core.local.shell import CommandError
from core.local.viewing.reader import RefusedError
from core.local.viewing.rows import Row, mapping
from core.local.viewing.story import decoded_payload, holding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from core.common.clock import Clock
    from core.local.console.feed import Feed
    from core.local.viewing.reader import Reader

JsonObject = dict[str, Any]

_ASSETS = Path(__file__).parent / "assets"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = {"/": "console.html", "/console.css": "console.css", "/console.js": "console.js", "/icon.svg": "icon.svg"}

_BEAT_SECONDS = 10.0  # the page says that it is stale where it heard nothing for three of these
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""On every answer: what an RR carries was written by whoever can send an alert."""


def console_app(feed: Feed, reader: Reader, *, clock: Clock, hosts: frozenset[str]) -> ASGIApp:
    """Return the application; `hosts` are the values of Host that it answers."""
    files = [Route(path, partial(_file, name)) for path, name in _FILES.items()]
    routes = [
        *files,
        Route("/events", partial(_events, feed)),
        Route("/remediationrequests/{namespace}/{name}", partial(_one, reader, clock)),
    ]
    return _Guarded(Starlette(routes=routes), hosts)


class _Guarded:
    """Lets through what a page of ours asks, and marks every answer.

    A foreign page can make the browser call loopback under a name of its own (DNS rebinding): its Host tells.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if host not in self._hosts:
            refused = Response("This address is not the console's.\n", status_code=421, media_type="text/plain")
            await refused(scope, receive, _marked(send))
            return
        await self._app(scope, receive, _marked(send))


def _marked(send: Send) -> Send:
    marks = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def marked(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *marks]}
        await send(message)

    return marked


async def _file(name: str, _request: Request) -> Response:
    path = _ASSETS / name
    return Response(await asyncio.to_thread(path.read_bytes), media_type=_TYPES[path.suffix])


async def _events(feed: Feed, _request: Request) -> Response:
    return StreamingResponse(_stream(feed), media_type="text/event-stream")


async def _stream(feed: Feed) -> AsyncIterator[bytes]:
    """Everything once, then what changes (WHATWG HTML, server-sent events)."""
    with feed.page() as page:
        while True:
            changes = await page.changes(within=_BEAT_SECONDS)
            if page.closed:
                return
            if changes is None:
                yield _event("beat", {})
                continue
            whole, uids = changes
            yield _event("snapshot", feed.snapshot()) if whole else _event("change", feed.change(uids))


def _event(kind: str, data: JsonObject) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + to_json(data) + b"\n\n"  # JSON has no line breaks of its own


async def _one(reader: Reader, clock: Clock, request: Request) -> Response:
    namespace, name = request.path_params["namespace"], request.path_params["name"]
    try:
        obj = await asyncio.to_thread(reader.read, namespace, name)
    except CommandError as error:
        gone = isinstance(error, RefusedError) and error.status == 404
        return _json({"error": str(error)}, status=404 if gone else 502)
    return _json(_detail(Row.from_object(obj), clock))


def _detail(row: Row, clock: Clock) -> JsonObject:
    metadata, spec, status = (mapping(row.obj.get(part)) for part in ("metadata", "spec", "status"))
    plain = ("signalLabels", "signalAnnotations", "originalPayload", "targetResource", "providerData")
    return {
        "holds": holding(row, now=clock.now()),
        "labels": _texts(spec.get("signalLabels")),
        "annotations": _texts(spec.get("signalAnnotations")),
        "own": _texts(metadata.get("annotations")),
        "spec": {key: value for key, value in _texts(spec).items() if key not in plain},
        "status": {key: value for key, value in _texts(status).items() if key != "conditions"},
        "conditions": [_texts(each) for each in status.get("conditions") or [] if isinstance(each, dict)],
        "payload": decoded_payload(spec.get("originalPayload")),
    }


def _texts(value: object) -> dict[str, str]:
    """Return a JSON object with values as text: of objects and lists, as JSON."""
    return {
        str(key): to_json(each).decode() if isinstance(each, dict | list) else "" if each is None else str(each)
        for key, each in sorted(mapping(value).items())
    }


def _json(body: JsonObject, *, status: int = 200) -> Response:
    return Response(to_json(body), status_code=status, media_type="application/json")

"""A reverse proxy for a real API server, in which a FaultyApp breaks chosen calls over HTTP.

It terminates HTTP, so it knows calls by verb and resource; what happens to bytes and connections below HTTP
is Toxiproxy's to break (tests.toxiproxy).
"""

from __future__ import annotations

import json
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from core.local.embedded import EmbeddedServer
from tests.support.faulty_app import FaultyApp, break_off

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.apiserver import KubeApiserver

_TO_SERVER = (b"authorization", b"content-type", b"accept", b"user-agent")
_TO_CLIENT = ("Content-Type", "Date", "Retry-After", "Warning")


@dataclass(frozen=True, kw_only=True)
class ApiProxy:
    """One proxy that listens: `faults` says what happens to calls, `url` is what clients use."""

    faults: FaultyApp
    url: str
    server: KubeApiserver

    def write_kubeconfig(self, path: Path, *, token: str, namespace: str) -> Path:
        """Write a kubeconfig that leads through the proxy, and return its path."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "test", "namespace": namespace}}],
            "clusters": [{"name": "proxy", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": {"token": token}}],
        }
        path.write_text(json.dumps(config))
        return path


@asynccontextmanager
async def open_api_proxy(server: KubeApiserver) -> AsyncIterator[ApiProxy]:
    """Listen on a loopback port of its own until the context ends."""
    tls = ssl.create_default_context(cafile=str(server.ca_file))
    connector = aiohttp.TCPConnector(ssl=tls, limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        served = _Served(FaultyApp(_Forwarder(session, server.url)))
        async with EmbeddedServer(served) as url:  # type: ignore[arg-type] # it uses no more of an API than this
            yield ApiProxy(faults=served.app, url=url, server=server)


@dataclass(frozen=True)
class _Served:
    app: FaultyApp

    def end_watches(self) -> None:
        """There are none: the gateway does not watch."""


class _Forwarder:
    """An ASGI app that asks the real server; where that gives no answer, neither does it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = scope["query_string"].decode()
        url = self._url + scope["path"] + (f"?{query}" if query else "")
        headers = {name.decode(): value.decode() for name, value in scope["headers"] if name in _TO_SERVER}
        body = await _body(receive)
        try:
            async with self._session.request(scope["method"], url, data=body or None, headers=headers) as response:
                answer = await response.read()
        except aiohttp.ClientError:
            await break_off(send)
        kept = [
            (name.lower().encode(), response.headers[name].encode()) for name in _TO_CLIENT if name in response.headers
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": kept})
        await send({"type": "http.response.body", "body": answer})


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)

"""A tiny HTTP/1.1 server whose every answer is scripted, broken ones included."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine
    from typing import Any, Self

    from core.kube.transport import ApiRequest, HttpTransport

    Behaviour = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, bool]]


@dataclass(frozen=True)
class Received:
    """One request, as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class HttpServer:
    """Answers requests one by one with the behaviours it was given; a request too many fails the test at the end."""

    def __init__(self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self._behaviours = list(behaviours)
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._surplus: list[Received] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        assert not self._surplus, f"requests too many: {self._surplus}"

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            while (received := await _read(reader)) is not None:
                self.requests.append(received)
                if not self._behaviours:
                    self._surplus.append(received)
                    return
                if not await self._behaviours.pop(0)(writer):
                    return
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode().split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, target, _ = first.split(" ")
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, target, headers, body)


def answers(status: int = 200, body: bytes = b"{}", **headers: str) -> Behaviour:
    """Answer, and keep the connection."""

    async def behave(writer: asyncio.StreamWriter) -> bool:
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        return True

    return behave


async def run_out(transport: HttpTransport, server: HttpServer, request: ApiRequest, *, timeout: float = 0.1) -> None:
    """Send a call, and let its time end when the server has the request: no earlier, however slow the machine is."""
    begun: list[asyncio.Timeout] = []
    timed, seen = asyncio.timeout, len(server.requests)

    def without_end(_seconds: float) -> asyncio.Timeout:
        begun.append(timed(None))
        return begun[-1]

    with patch("asyncio.timeout", without_end):
        call = asyncio.create_task(transport.send(request, timeout=timeout))
        while len(server.requests) == seen and not call.done():  # noqa: ASYNC110 - the server runs in this loop
            await asyncio.sleep(0)
    begun[0].reschedule(asyncio.get_running_loop().time())
    await call


async def hangs_up(writer: asyncio.StreamWriter) -> bool:
    """Close the connection without a word."""
    return False


async def never_answers(writer: asyncio.StreamWriter) -> bool:
    """Keep the connection open and say nothing."""
    await asyncio.Event().wait()
    return False


async def breaks_off(writer: asyncio.StreamWriter) -> bool:
    """Close the connection in the middle of the body."""
    writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"kind": ')
    await writer.drain()
    return False


async def resets(writer: asyncio.StreamWriter) -> bool:
    """Reset the connection in the middle of the body, as a server that is killed does."""
    await breaks_off(writer)
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


async def stalls(writer: asyncio.StreamWriter) -> bool:
    """Stop in the middle of the body."""
    await breaks_off(writer)
    return await never_answers(writer)


async def babbles(writer: asyncio.StreamWriter) -> bool:
    """Answer with something that is no HTTP."""
    writer.write(b"\x15\x03\x01\x00\x02\x02\x0a no HTTP at all\r\n\r\n")
    await writer.drain()
    return False

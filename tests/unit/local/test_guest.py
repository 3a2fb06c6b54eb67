"""A uvicorn server inside a loop of ours leaves nothing open when it stops."""

import asyncio
import gc
import socket
from contextlib import closing
from typing import Any

import pytest
import uvicorn

from core.local.guest import GuestServer


async def no_app(_scope: Any, _receive: Any, _send: Any) -> None:
    pytest.fail("nobody asks anything")


def ended(sender: socket.socket) -> bool:
    """Whether the other side has closed: loopback tells at once."""
    sender.setblocking(False)
    try:
        return sender.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("turns", range(5))
async def test_connection_that_comes_as_it_stops_is_closed_however_far_it_has_come(turns: int):
    """A socket that is dropped unclosed is a ResourceWarning, which fails the test."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = GuestServer(uvicorn.Config(no_app, lifespan="off", ws="none", log_config=None, log_level="warning"))
    serving = asyncio.create_task(server.serve([listener]))
    await server.ready.wait()

    with closing(socket.create_connection(listener.getsockname())) as sender:
        for _ in range(turns):
            await asyncio.sleep(0)
        server.stop()
        await serving
        gc.collect()
        assert ended(sender)


async def test_request_that_takes_too_long_is_ended_as_if_its_sender_had_gone(caplog: pytest.LogCaptureFixture):
    """uvicorn writes a stack trace of a task that is cancelled, and shows it to the person who stops the command."""
    arrived = asyncio.Event()
    told: list[str] = []

    async def endless(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        arrived.set()
        told.append((await receive())["type"])

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(endless, lifespan="off", ws="none", log_config=None, log_level="warning")
    server = GuestServer(config, grace=0.0)
    serving = asyncio.create_task(server.serve([listener]))
    await server.ready.wait()
    _, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    await arrived.wait()

    server.stop()
    await serving
    writer.close()

    assert told == ["http.disconnect"]
    assert "Traceback" not in caplog.text

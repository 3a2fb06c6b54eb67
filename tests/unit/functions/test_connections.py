"""Raw connections to the server that functions-framework starts: heads are bounded, and answers reach who sends on."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from uvicorn_worker import UvicornWorker

from functions import _connections
from functions._connections import MAX_HEAD_BYTES, MAX_HEADERS, BoundedConnection, bound_connections

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = b"Host: sluice\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST


class Site:
    """A server with an app that refuses bodies unread under /refuse, and reads them elsewhere."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []
        self.read = 0

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        status = 413
        if scope["path"] != "/refuse":
            status = 200
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                self.read += len(message["body"])
                more = message["more_body"]
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(self, *parts: bytes, closing: bool = False) -> bytes:
        """Send parts and return all that comes until the end of the connection; or until it is quiet."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await asyncio.wait_for(writer.drain(), 30)
            if closing:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), 30)
        except ConnectionError:
            return b"reset"
        finally:
            writer.transport.abort()


@asynccontextmanager
async def served() -> AsyncIterator[Site]:
    site = Site()
    config = uvicorn.Config(
        site.app,
        interface="asgi3",
        http=BoundedConnection,
        port=0,
        log_level="error",
        lifespan="off",
        timeout_keep_alive=1,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    site.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def site():
    async with served() as site:
        yield site


def test_worker_of_functions_framework_makes_such_connections(monkeypatch):
    monkeypatch.setattr(UvicornWorker, "CONFIG_KWARGS", {"loop": "auto", "http": "auto"})
    bound_connections()
    config = uvicorn.Config(Site().app, **UvicornWorker.CONFIG_KWARGS)
    config.load()
    assert config.http_protocol_class is BoundedConnection


class TestHeads:
    async def test_ordinary_request_is_served(self, site):
        assert (await site.send(GET + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    async def test_as_many_headers_as_are_taken(self, site):
        headers = b"".join(b"X-%d: y\r\n" % number for number in range(MAX_HEADERS - 2))
        assert (await site.send(GET + headers + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    @pytest.mark.parametrize("count", [MAX_HEADERS, 10_000])
    async def test_more_headers_are_refused(self, site, count):
        headers = b"".join(b"X-%d: y\r\n" % number for number in range(count))
        assert (await site.send(GET + headers + b"\r\n")).startswith(b"HTTP/1.1 431 ")
        assert site.asked == []

    @pytest.mark.parametrize(
        "head",
        [
            GET + b"X: " + b"y" * MAX_HEAD_BYTES,
            GET + b"X" * (MAX_HEAD_BYTES + 1),
            b"GET /" + b"y" * (MAX_HEAD_BYTES + 1),
            GET + b"X: y\r\n" * 20 + b"X: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n",
        ],
        ids=["value", "name", "path", "sum"],
    )
    async def test_larger_head_is_refused(self, site, head):
        assert (await site.send(head, b"y" * 100)).startswith(b"HTTP/1.1 431 ")
        assert site.asked == []

    async def test_header_of_100_mb_costs_next_to_nothing(self, site):
        megabyte = b"y" * 1_000_000
        started = time.process_time()
        answer = await site.send(GET + b"X: ", *[megabyte] * 100)
        spent = time.process_time() - started
        assert answer.startswith(b"HTTP/1.1 431 ") or answer == b"reset"
        assert site.asked == []
        # 39 s before; here this process sends it as well
        assert spent < 5

    async def test_whole_head_that_is_too_large_is_refused_once(self, site):
        """The parser refuses the header, and then its size is seen: the second answer found the connection ended."""
        failures = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        answer = await site.send(GET + b"X: " + b"y" * (MAX_HEAD_BYTES + 1000) + b"\r\n\r\n")
        assert answer.count(b"HTTP/1.1 431 ") == 1
        assert failures == []

    async def test_head_byte_by_byte_is_counted_too(self, site):
        pieces = [b"y" * 8192] * 5
        assert (await site.send(GET + b"X: ", *pieces)).startswith(b"HTTP/1.1 431 ")

    async def test_second_head_of_a_connection_is_bounded_as_well(self, site):
        answer = await site.send(GET + b"\r\n" + GET + b"X: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200 ") <= 1
        assert answer.endswith(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )

    @pytest.mark.parametrize("end", [b"0\r\nX: ", b"1;x="], ids=["trailer", "extension"])
    @pytest.mark.parametrize("parts", [1, 10], ids=["at once", "in parts"])
    async def test_what_hides_behind_the_body_is_bounded_as_well(self, site, end, parts):
        head = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
        rest = b"y" * 100_000
        size = len(rest) // parts
        answer = await site.send(*[head + end + rest] if parts == 1 else [head + end, *[rest[:size]] * parts])
        assert b"200" not in answer[:15]

    async def test_no_http_is_400(self, site):
        assert (await site.send(b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


class TestTime:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        monkeypatch.setattr(_connections, "HEAD_SECONDS", 0.2)
        monkeypatch.setattr(_connections, "LINGER_SECONDS", 0.2)

    async def test_connection_on_which_nothing_comes_ends_without_a_word(self, site):
        assert await site.send() == b""

    async def test_head_that_does_not_come_to_its_end_is_408(self, site):
        assert (await site.send(GET + b"X: y")).startswith(b"HTTP/1.1 408 ")

    async def test_second_head_too(self, site):
        answer = await site.send(GET + b"\r\n" + b"GET /two")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in answer

    async def test_body_that_nobody_wants_is_not_waited_for_long(self, site):
        answer = await site.send(b"POST /refuse HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\nxx")
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer


class TestRefusedBodies:
    async def test_answer_reaches_a_sender_that_sends_on(self, site):
        size = 20_000_000
        head = b"POST /refuse HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size
        answer = await site.send(head, *[b"x" * 1_000_000] * 20, closing=True)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer
        assert answer.endswith(b"ok")
        assert site.read == 0

    async def test_sending_on_has_an_end(self, site, monkeypatch):
        monkeypatch.setattr(_connections, "LINGER_BYTES", 100_000)
        head = b"POST /refuse HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        assert await site.send(head, *[chunk] * 50) == b"reset"

    async def test_body_that_has_come_already_ends_nothing(self, site):
        request = b"POST /refuse HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nxx"
        answer = await site.send(request + GET + b"Connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"HTTP/1.1 200 " in answer

    async def test_sender_that_asked_first_is_not_waited_for(self, site):
        head = b"POST /refuse HTTP/1.1\r\n" + HOST + b"Content-Length: 20\r\nExpect: 100-continue\r\n\r\n"
        answer = await site.send(head)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"100 Continue" not in answer


async def test_connections_too_many_are_told_to_come_again(site, monkeypatch):
    shed: list[str] = []
    monkeypatch.setattr(_connections, "most_connections", lambda: 1)
    monkeypatch.setattr(_connections.BoundedConnection, "shed", staticmethod(lambda: shed.append("one too many")))
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    answer = await site.send(GET + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer
    assert shed == ["one too many"]
    writer.transport.abort()

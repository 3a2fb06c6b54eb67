"""What a broken proxy or a hostile server may send: it never reaches another call, and never grows without bound."""

import asyncio
import select
import zlib

import pytest

from core.common.clock import RealClock
from core.common.resilience import BreakerState, CircuitBreaker, Deadline
from core.kube import connection
from core.kube.client import KubeClient
from core.kube.errors import ApiUnreachableError, UnreadableAnswerError
from core.kube.resources import LEASES
from core.kube.transport import ApiRequest, HttpTransport
from tests.unit.kube.raw_server import PATIENCE, RawServer, answer

GET = ApiRequest(method="GET", path="/api/v1/pods")
POST = ApiRequest(method="POST", path="/api/v1/pods", body=b"{}")
LONG = 600.0  # seconds; no test waits for its end
MIB = 1024 * 1024

FAKE = answer(b"fake")
HALVES = {
    "its first byte": (FAKE[:1], FAKE[1:]),
    "its status line": (FAKE[:17], FAKE[17:]),
    "its headers": (FAKE[:-4], FAKE[-4:]),
    "all but its last byte": (FAKE[:-1], FAKE[-1:]),
    "an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", FAKE),
    "half an interim answer": (b"HTTP/1.1 103 Early Hints\r\n", b"\r\n" + FAKE),
    "an empty line and a byte": (b"\r\nH", FAKE[1:]),
}


@pytest.mark.parametrize(("half", "rest"), HALVES.values(), ids=HALVES)
async def test_half_an_answer_behind_another_never_reaches_the_next_call(connect, half, rest):
    """The rest of it comes when the next call has been sent, just as that call's own answer would."""
    with RawServer([answer(b"true") + half, rest], [answer(b"next")]) as server:
        transport = connect(server.url, connections=1)
        assert (await transport.send(POST, timeout=LONG)).body == b"true"
        assert (await transport.send(POST, timeout=LONG)).body == b"next"
        assert server.connections == 2


@pytest.mark.parametrize("surplus", [FAKE, b"\x00", b"\r\n", b" ", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_bytes_on_an_idle_connection_close_it(connect, surplus):
    with RawServer([answer(b"true")], [answer(b"next")]) as server:
        transport = connect(server.url, connections=1)
        await transport.send(POST, timeout=LONG)
        server.push(surplus)
        assert await asyncio.to_thread(server.closed.wait, PATIENCE)
        assert (await transport.send(POST, timeout=LONG)).body == b"next"
        assert server.connections == 2


async def test_bytes_that_came_before_a_call_are_no_answer_to_it(connect):
    """They wait in the socket: the event loop has had no turn to read them since."""
    with RawServer([answer(b"true")], [answer(b"next")]) as server:
        transport = connect(server.url, connections=1)
        await transport.send(POST, timeout=LONG)
        server.push(FAKE)
        _wait_until_readable(transport)
        assert (await transport.send(POST, timeout=LONG)).body == b"next"
        assert server.connections == 2


async def test_write_goes_out_on_a_new_connection_where_the_server_has_closed_the_kept_one(connect):
    """Its end waits in the socket; a POST sent there would be lost, and is never repeated."""
    with RawServer([answer(b"true")], [answer(b"next")]) as server:
        transport = connect(server.url, connections=1)
        await transport.send(POST, timeout=LONG)
        server.hang_up()
        _wait_until_readable(transport)
        assert (await transport.send(POST, timeout=LONG)).body == b"next"


def _wait_until_readable(transport: HttpTransport) -> None:
    (kept,) = transport._pool._all
    readable, _, _ = select.select([kept._transport.get_extra_info("socket").fileno()], [], [], PATIENCE)
    assert readable


async def expect_no_answer(connect, raw: bytes, *, why: str) -> None:
    with RawServer([raw]) as server, pytest.raises(ApiUnreachableError, match=why):
        await connect(server.url).send(POST, timeout=LONG)


HEADS = {
    "one long header": b"X: " + b"a" * connection.MAX_HEAD_BYTES + b"\r\n",
    "many headers": b"".join(b"X-%d: a\r\n" % number for number in range(connection.MAX_HEAD_BYTES // 8)),
    "a header that never ends": b"X: " + b"a" * 2 * MIB,
    "a header's name that never ends": b"X" * 2 * MIB,
}


@pytest.mark.parametrize("lines", HEADS.values(), ids=HEADS)
async def test_head_that_is_too_long_is_no_answer(connect, lines):
    await expect_no_answer(
        connect,
        b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\n{}",
        why=r"the answer's head is longer than 65536 bytes$",
    )


async def test_reason_phrase_that_never_ends_is_no_answer(connect):
    await expect_no_answer(connect, b"HTTP/1.1 200 " + b"OK" * MIB, why="head is longer than")


async def test_interim_answers_without_end_are_no_answer(connect):
    await expect_no_answer(
        connect, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50_000, why="head is longer than"
    )


async def test_body_announced_too_long_is_not_waited_for(connect):
    length = f"Content-Length: {connection.MAX_BODY_BYTES + 1}"
    await expect_no_answer(connect, answer(b"{", length), why=r"the answer's body is longer than 67108864 bytes$")


CHUNKED = "Transfer-Encoding: chunked"
BODIES = {
    "chunks": answer(b"100000\r\n" + b"a" * MIB + b"\r\n0\r\n\r\n", CHUNKED),
    "chunks of one byte": answer(b"1\r\na\r\n" * (MIB // 6) + b"0\r\n\r\n", CHUNKED),
    "a chunk's extension": answer(b"1;" + b"a" * MIB + b"\r\na\r\n0\r\n\r\n", CHUNKED),
    "trailers": answer(b"1\r\n1\r\n0\r\n" + b"X: a\r\n" * (MIB // 6) + b"\r\n", CHUNKED),
    "no length": b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * MIB,
}


@pytest.mark.parametrize("raw", BODIES.values(), ids=BODIES)
async def test_body_that_grows_too_long_is_no_answer(connect, monkeypatch, raw):
    monkeypatch.setattr(connection, "MAX_BODY_BYTES", MIB // 2)
    await expect_no_answer(connect, raw, why=r"the answer's body is longer than 524288 bytes$")


async def test_trailers_are_no_headers(connect):
    """RFC 9110, section 6.5.1: who merges them lets a trailer change what the answer means."""
    raw = answer(b"2\r\n{}\r\n0\r\nDate: never\r\nContent-Encoding: gzip\r\n\r\n", CHUNKED, "Date: today")
    with RawServer([raw]) as server:
        response = await connect(server.url).send(POST, timeout=LONG)
    assert (response.body, response.headers["Date"], "Content-Encoding" in response.headers) == (b"{}", "today", False)


def packed(size: int) -> bytes:
    """A JSON string of `size` bytes, packed by gzip as far as it goes."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(b'"'), *(packer.compress(b"a" * MIB) for _ in range(size // MIB)), packer.compress(b'"')]
    return b"".join([*parts, packer.flush()])


async def test_packed_body_is_not_unpacked_without_bound(connect):
    bomb = packed(2 * connection.MAX_BODY_BYTES)
    assert len(bomb) < 200_000
    await expect_no_answer(
        connect, answer(bomb, "Content-Encoding: gzip"), why=r"the answer's body is longer than 67108864 bytes$"
    )


BROKEN_PACKS = {
    "cut off": packed(0)[:-1],
    "followed by more": packed(0) + packed(0),
    "of a wrong checksum": packed(0)[:-8] + b"\x00" * 8,
}


@pytest.mark.parametrize("body", BROKEN_PACKS.values(), ids=BROKEN_PACKS)
async def test_packed_body_that_is_broken_is_no_answer(connect, body):
    await expect_no_answer(connect, answer(body, "Content-Encoding: gzip"), why="the answer cannot be unpacked: ")


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_list_of_many_remediation_requests_fits(connect, encoding):
    """10,000 of 4 KB each, some more than an RR usually is."""
    whole = b'{"items": [' + b'{"a": "%s"},' % (b"a" * 4096) * 10_000 + b"{}]}"
    packer = zlib.compressobj(1, wbits=31)
    body = packer.compress(whole) + packer.flush() if encoding == "gzip" else whole
    with RawServer([answer(body, f"Content-Encoding: {encoding}")]) as server:
        assert (await connect(server.url).send(GET, timeout=LONG)).body == whole


SURPLUS_HEAD = b"HTTP/1.1 200 OK\r\nX: " + b"a" * MIB


@pytest.mark.parametrize("raw", [SURPLUS_HEAD, answer(packed(0) * 2, "Content-Encoding: gzip")])
async def test_hostile_answers_count_as_failures_of_the_api_server(connect, raw):
    """So they open the breaker, and the sender gets 503 as for any other broken answer."""
    clock = RealClock()
    breaker = CircuitBreaker(clock=clock, min_calls=1)
    with RawServer([raw]) as server:
        client = KubeClient(transport=connect(server.url), breaker=breaker, call_timeout=LONG)
        with pytest.raises(ApiUnreachableError) as caught:
            await client.create(LEASES, {}, namespace="ops", deadline=Deadline(clock=clock, seconds=LONG))
    assert caught.value.transient
    assert not isinstance(caught.value, UnreadableAnswerError)
    assert breaker.state is BreakerState.OPEN

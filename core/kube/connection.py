"""HTTP/1.1 connections to the API server (RFC 9112): one call at a time on each, kept from call to call.

Node's parser reads the answers (httptools, which uvicorn's worker uses too). A client library would do the
rest as well; but aiohttp takes a quarter of a cold start to import and most of what a call costs here
(docs/decisions/http-client.md), and the API server needs no redirects, cookies, proxies, forms or streams.
"""

from __future__ import annotations

import asyncio
import select
import ssl
import zlib
from typing import TYPE_CHECKING, NamedTuple, Self, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_CONTINUE, _OK = 100, 200

MAX_HEAD_BYTES = 64 * 1024
"""Of status lines and headers, interim answers included: the API server's take less than 1 KB."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Of a body as it comes (chunks and trailers included), and again of it unpacked. A LIST holds one fingerprint's
RRs, of some 4 KB each: 16,000 of them fit."""

_GZIP = 31  # zlib's window bits for a gzip header and the widest window


KEPT_SECONDS = 55.0
"""Shorter than the minute after which load balancers drop an idle connection without closing it."""


class ApiResponse(NamedTuple):
    """An answer, whatever its status; header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ConnectionBrokenError(ConnectionError):
    """The connection ended before the answer did; `silent` where not one byte of it had come."""

    def __init__(self, message: str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


class Connection(asyncio.Protocol):
    """Sends a message and returns the answer to it. What goes wrong leaves it unusable."""

    def __init__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self._parser = HttpResponseParser(self)
        self._answer: asyncio.Future[ApiResponse] | None = None
        self._silent = True
        self._reusable = True
        self._in_head = True
        self._headers_size = self._head_arrived = self._body_size = 0
        self._until_closed = False
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._body: list[bytes] = []

    @classmethod
    async def open(
        cls, *, host: str, port: int, tls: ssl.SSLContext | bool | None, server_name: str = "", timeout: float
    ) -> Self:
        """Connect, TLS included; True trusts the system's authorities.

        Args:
            host: name or address to connect to.
            port: TCP port.
            tls: None for plain HTTP.
            server_name: asked for and expected in the certificate, where that is another name than `host`.
            timeout: seconds.

        Raises:
            OSError: no connection, also where it takes longer than `timeout`.
        """
        loop = asyncio.get_running_loop()
        name = server_name or None if tls else None
        try:
            async with asyncio.timeout(timeout):
                _, connection = await loop.create_connection(cls, host, port, ssl=tls, server_hostname=name)
        except TimeoutError:
            raise ConnectionError(f"no connection in {timeout:.1f} s") from None
        return connection

    @property
    def usable(self) -> bool:
        """Whether another call may be sent."""
        return self._reusable and not self._transport.is_closing()

    @property
    def quiet(self) -> bool:
        """Whether nothing waits in the socket: neither the server's closing nor bytes that nobody asked for.

        The event loop would tell us at its next turn. A call sent before that would be lost, or take those bytes
        for its answer.
        """
        return not self._arrivals.poll(0)

    async def call(self, message: bytes) -> ApiResponse:
        """Send a whole request and return the whole answer.

        Raises:
            ConnectionBrokenError: it ended before the answer did, or the answer is not HTTP.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._silent = True
        self._in_head = True
        self._headers_size = self._head_arrived = self._body_size = 0
        self._transport.write(message)
        try:
            return _unpacked(await self._answer)
        except BaseException:  # also a cancellation: the answer may still come, and is not the next call's
            self.abort()
            raise
        finally:
            self._answer = None

    def abort(self) -> None:
        """Close at once; `ended` is done a moment later."""
        self._reusable = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transport is one, though not by its class
        self._arrivals = select.poll()  # select.select() ends at 1024 open files
        self._arrivals.register(transport.get_extra_info("socket"), select.POLLIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._reusable = False
        if self._until_closed and exc is None:
            self.on_message_complete()
        why = str(exc or "") or "the server closed the connection"
        self._fail(ConnectionBrokenError(why, silent=self._silent))
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._answer is None:  # no call waits for them
            self.abort()
            return
        self._silent = False
        try:
            self._parser.feed_data(data)
            self._count(len(data))
        except HttpParserCallbackError as error:
            self._give_up(error.__context__ or error)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._give_up(ConnectionBrokenError(f"the answer is no HTTP/1.1: {error}"))
        except ConnectionBrokenError as error:
            self._give_up(error)

    def on_message_begin(self) -> None:
        """See httptools."""
        if self._answer is None or self._answer.done():
            # Not at its end: that may come when the next call has been sent, and would be taken for its answer.
            raise ConnectionBrokenError("more than one answer came to one call")
        self._in_head = True
        self._headers = CIMultiDict()
        self._body = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        if not self._in_head:  # a trailer, which may not change what the headers say (RFC 9110, section 6.5.1)
            return
        self._headers_size += len(name) + len(value) + len(": \r\n")
        self._check_sizes()
        self._headers.add(name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = False
        self._body_size = int(self._headers.get("Content-Length", 0))
        self._check_sizes()
        self._body_size = 0
        self._reusable = self._parser.should_keep_alive()
        self._until_closed = not ("Content-Length" in self._headers or "Transfer-Encoding" in self._headers)

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self._until_closed = False
        status = self._parser.get_status_code()
        if _CONTINUE <= status < _OK:
            self._in_head = True
            return  # the answer proper follows
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(ApiResponse(status, self._headers, b"".join(self._body)))
        if not self._reusable:
            self._transport.abort()

    def _count(self, arrived: int) -> None:
        # The parser keeps a header, a trailer or a chunk's extension to itself until it is whole: so all bytes count.
        if self._in_head:
            self._head_arrived += arrived
        else:
            self._body_size += arrived
        self._check_sizes()

    def _check_sizes(self) -> None:
        if max(self._headers_size, self._head_arrived) > MAX_HEAD_BYTES:
            raise ConnectionBrokenError(f"the answer's head is longer than {MAX_HEAD_BYTES} bytes")
        if self._body_size > MAX_BODY_BYTES:
            raise _too_long()

    def _give_up(self, error: BaseException) -> None:
        self._fail(error)
        self.abort()

    def _fail(self, error: BaseException) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def _unpacked(response: ApiResponse) -> ApiResponse:
    if response.headers.get("Content-Encoding", "").lower() != "gzip":
        return response
    return ApiResponse(response.status, response.headers, _gunzipped(response.body)) if response.body else response


def _gunzipped(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(packed, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise ConnectionBrokenError(f"the answer cannot be unpacked: {error}") from error
    if len(body) > MAX_BODY_BYTES:
        raise _too_long()
    if not unpacker.eof or unpacker.unused_data:
        raise ConnectionBrokenError("the answer cannot be unpacked: it is not one whole gzip member")
    return body


def _too_long() -> ConnectionBrokenError:
    return ConnectionBrokenError(f"the answer's body is longer than {MAX_BODY_BYTES} bytes")


class ConnectionPool:
    """At most `limit` connections; the one used last is used next, so that those too many grow old."""

    def __init__(self, *, open_connection: Callable[[], Awaitable[Connection]], limit: int) -> None:
        self._open = open_connection
        self._slots = asyncio.Semaphore(limit)
        self._idle: list[tuple[Connection, float]] = []
        self._all: set[Connection] = set()

    def connection(self) -> Loan:
        """Lend a connection for an `async with` block, opened where none is idle. Entering raises OSError where that
        fails."""
        return Loan(self)

    async def take(self) -> Connection:
        """Take a connection that is given back later. See `connection`."""
        await self._slots.acquire()
        try:
            return self._kept() or await self._opened()
        except BaseException:
            self._slots.release()
            raise

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call, or close one that is of no use any more."""
        self._slots.release()
        if connection.usable:
            self._idle.append((connection, _now()))
        else:
            connection.abort()

    async def close(self) -> None:
        """Close all of them and wait until they are."""
        closing = list(self._all)
        for connection in closing:
            connection.abort()
        await asyncio.gather(*(connection.ended for connection in closing))

    def _kept(self) -> Connection | None:
        while self._idle:
            connection, since = self._idle.pop()
            if connection.usable and _now() - since < KEPT_SECONDS and connection.quiet:
                return connection
            connection.abort()
        return None

    async def _opened(self) -> Connection:
        connection = await self._open()
        self._all.add(connection)
        connection.ended.add_done_callback(lambda _: self._all.discard(connection))
        return connection


class Loan:
    """A connection for a block. No generator: none can begin any more in an event loop that ends, and last calls are
    made there."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.take()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        self._pool.give_back(self._connection)


def _now() -> float:
    return asyncio.get_running_loop().time()


def tls_context(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    """Return a context that trusts these certificates alone (PEM), or the system's where none are given.

    Raises:
        OSError: `cafile` cannot be read; ssl.SSLError where one of them is no certificate, or empty.
    """
    if "" in (cafile, cadata):  # OpenSSL would take that for none given, and trust some 140 public authorities
        raise ssl.SSLError("it is empty")
    # Cluster certificates are often older than the strict X.509 profile that Python 3.13 turns on.
    tls = ssl.create_default_context(cafile=cafile, cadata=cadata)
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return tls

"""One HTTP/1.1 connection to the API server (RFC 9112), one call at a time.

Node's parser reads the answers (httptools, which uvicorn's worker uses too). A client library would do the
rest as well; but aiohttp takes a quarter of a cold start to import and most of what a call costs here
(docs/performance.md), and the API server needs no redirects, cookies, proxies, forms or streams.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import TYPE_CHECKING, Self, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from multidict import CIMultiDict

from core.kube.messages import ApiResponse

if TYPE_CHECKING:
    import ssl

_CONTINUE, _OK = 100, 200


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
        self._until_closed = False
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._body: list[bytes] = []

    @classmethod
    async def open(cls, *, host: str, port: int, tls: ssl.SSLContext | bool | None, timeout: float) -> Self:
        """Connect, TLS included; True trusts the system's authorities.

        Raises OSError, also where it takes longer than `timeout` seconds.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                _, connection = await loop.create_connection(cls, host, port, ssl=tls)
        except TimeoutError:
            raise ConnectionError(f"no connection in {timeout:.1f} s") from None
        return connection

    @property
    def usable(self) -> bool:
        """Whether another call may be sent."""
        return self._reusable and not self._transport.is_closing()

    async def call(self, message: bytes) -> ApiResponse:
        """Send a whole request and return the whole answer.

        Raises:
            ConnectionBrokenError: it ended before the answer did, or the answer is no HTTP.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._silent = True
        self._transport.write(message)
        try:
            return _unpacked(await self._answer)
        except BaseException:  # cancelled too: the answer that still comes must meet no other call
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
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

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
        if self._answer is None:  # nobody asked
            self.abort()
            return
        self._silent = False
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(ConnectionBrokenError(f"the answer is no HTTP/1.1: {error}"))
            self.abort()

    def on_message_begin(self) -> None:
        """See httptools."""
        self._headers = CIMultiDict()
        self._body = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        self._headers.add(name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """See httptools."""
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
            return  # the answer proper follows
        if self._answer is None or self._answer.done():
            self.abort()  # two answers to one call
            return
        self._answer.set_result(ApiResponse(status, self._headers, b"".join(self._body)))
        if not self._reusable:
            self._transport.abort()

    def _fail(self, error: ConnectionBrokenError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def _unpacked(response: ApiResponse) -> ApiResponse:
    if response.headers.get("Content-Encoding", "").lower() != "gzip":
        return response
    try:
        return ApiResponse(response.status, response.headers, gzip.decompress(response.body))
    except (OSError, EOFError, zlib.error) as error:
        raise ConnectionBrokenError(f"the answer cannot be unpacked: {error}") from error

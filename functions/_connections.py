"""Connections of senders, bounded: how long and how large a head may be, and how a refused body ends.

uvicorn bounds none of it. functions-framework starts it as gunicorn's worker, whose class names the protocol;
`bound_connections` puts this one in its place. What is bounded here are bytes and seconds before any function sees
them; the body has its own limits (functions/_request.py).
"""

from __future__ import annotations

import resource
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

MAX_HEAD_BYTES = 32 * 1024
"""Of request line and headers; a token may take 8 kB of it."""

PIECE_BYTES = MAX_HEAD_BYTES // 2
"""Parsed at a time."""

MAX_HEADERS = 100
HEAD_SECONDS = 10.0
"""From the connection, or a later request's first byte, to the end of its headers."""

LINGER_SECONDS = 5.0
LINGER_BYTES = 64 * 1024 * 1024
"""How long and how far a body that nobody wants is read on: a connection closed before would take our answer with it
(RFC 9112, section 9.6)."""

ANSWER_SECONDS = 30.0
"""A sender that does not take its answer for so long is gone."""

MAX_CONNECTIONS = 4096
_FILES_FOR_OTHERS = 256  # calls to the API server, logs, libraries


def bound_connections(*, shed: Callable[[], None] = lambda: None) -> None:
    """Let the worker that functions-framework starts in this process make its connections of BoundedConnection.

    `shed` is told of each connection that is one too many.
    """
    BoundedConnection.shed = staticmethod(shed)
    from uvicorn_worker import UvicornWorker  # noqa: PLC0415 - gunicorn comes with it, which tests need not load

    UvicornWorker.CONFIG_KWARGS = UvicornWorker.CONFIG_KWARGS | {"http": f"{__name__}:{BoundedConnection.__name__}"}


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's protocol with bounds.

    A head that is too large is answered 431, one that is too slow 408, and a connection too many 503. An answer given
    before the body has come ends the connection, once the rest of the body was read or has taken too long.
    """

    shed: Callable[[], None] = staticmethod(lambda: None)  # uvicorn makes the connections: nothing is passed in

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unparsed = 0  # bytes that came since a body's last part, or since the head's beginning
        self._head_size = self._header_count = 0
        self._in_head = True  # or before it
        self._asked = False
        self._refusal = 0
        self._thrown_away = 0
        self._lingering = False
        self._timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            self.shed()
            self._refuse(503)
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._lingering:
            self._thrown_away += len(data)
            if self._thrown_away > LINGER_BYTES:
                self.transport.close()
            return
        # In pieces: what hides behind a body's last part counts from the next one on.
        for start in range(0, len(data), PIECE_BYTES):
            if self._ends():
                return
            self._parse(data[start : start + PIECE_BYTES])

    def _ends(self) -> bool:
        return self._lingering or self.transport.is_closing()

    def _parse(self, data: bytes) -> None:
        # The parser keeps a header, a trailer or a chunk's extension to itself until it is whole.
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431) if self._in_head else self.transport.close()

    def eof_received(self) -> None:
        """See asyncio.Protocol."""
        if self._lingering:
            self.transport.close()

    def on_message_begin(self) -> None:
        """See httptools."""
        self._in_head = self._asked = True
        self._head_size = self._header_count = 0
        if self._timer is None:
            self._expect_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools; trailers come here too."""
        self._header_count += 1
        self._count(name + value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = self._asked = False
        self._unparsed = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().on_headers_complete()
        self._watch(self.cycle)

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self._unparsed = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        if self._lingering:
            self._unset_keepalive_if_required()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        super().pause_writing()
        self._answer_timer = self.loop.call_later(ANSWER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; the bounds end the parser's work by an error, and so come here too."""
        if self._refusal:
            self._refuse(self._refusal)
        else:
            super().send_400_response(msg)

    def end_gently(self, *, body_to_come: bool) -> None:
        """Close the connection after an answer; where the body has not come, once it has, or takes too long."""
        if body_to_come:
            self._linger()
        elif not self._lingering:
            self.transport.close()

    def _count(self, field: bytes) -> None:
        self._head_size += len(field)
        if self._head_size > MAX_HEAD_BYTES or self._header_count > MAX_HEADERS:
            self._refusal = 431
            raise HttpParserError("the head is too large")

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up_waiting)

    def _give_up_waiting(self) -> None:
        if self._asked and not self.transport.is_closing():
            self._refuse(408)
        else:  # nothing was asked
            self.transport.close()

    def _refuse(self, status: int) -> None:
        """Answer without the function, briefly, and close the connection; the first refusal counts."""
        if self._ends():
            return
        again = b"retry-after: 1\r\n" if status == 503 else b""
        self.transport.write(STATUS_LINE[status] + again + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self._linger()

    def _watch(self, cycle: RequestResponseCycle) -> None:
        """Let an answer that comes before the body has come say that the connection ends, and end it gently."""
        send = cycle.send
        gently = GentlyClosed(self)

        async def checked(message: Any) -> None:
            if message["type"] == "http.response.start" and cycle.more_body:
                cycle.keep_alive = False
                # A sender that waits for 100 Continue sends no body after another answer.
                gently.body_to_come = not cycle.waiting_for_100_continue
            await send(message)

        cycle.send = checked  # type: ignore[method-assign] # uvicorn makes its cycles of one class only
        cycle.transport = cast("asyncio.Transport", gently)

    def _linger(self) -> None:
        if self._ends():
            return
        self._stop_timers()
        self._lingering = True
        self.pipeline.clear()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._answer_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._answer_timer = None


class GentlyClosed:
    """A connection's transport, as far as an answer needs one; closing it may take a moment."""

    def __init__(self, connection: BoundedConnection) -> None:
        self.body_to_come = False
        self._connection = connection

    def write(self, data: bytes) -> None:
        """See asyncio.WriteTransport."""
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        """See asyncio.BaseTransport."""
        return self._connection.transport.is_closing()

    def close(self) -> None:
        """See BoundedConnection.end_gently."""
        self._connection.end_gently(body_to_come=self.body_to_come)


@cache
def most_connections() -> int:
    """Return how many connections of senders this process can have open at a time."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MAX_CONNECTIONS, max(files - _FILES_FOR_OTHERS, files // 2)) if files > 0 else MAX_CONNECTIONS

"""A server on a bare socket, in a thread: it sends whatever bytes a test wants, whenever the test wants."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Self

from tests.support.waiting import HANGS_AFTER

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = HANGS_AFTER
"""Seconds. A server that gave up on a busy machine would leave a call that is sent again without any answer."""


class RawServer:
    """Takes connections one after the other; each has its script: the bytes to send upon each request."""

    def __init__(self, *scripts: Sequence[bytes]) -> None:
        self.connections = 0
        self.closed = threading.Event()
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._peer = self._listener
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        for each in (self._listener, self._peer):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._listener.close()
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def push(self, data: bytes) -> None:
        """Send bytes that nobody asked for."""
        self._peer.sendall(data)

    def hang_up(self) -> None:
        """Close this side of the connection."""
        self._peer.shutdown(socket.SHUT_WR)

    def _serve(self) -> None:
        for script in self._scripts:
            try:
                self._peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._peer.settimeout(PATIENCE)
            with closing(self._peer), suppress(OSError):
                for data in script:
                    if not self._request():
                        break
                    self._peer.sendall(data)
                while self._peer.recv(4096):
                    pass
            self.closed.set()

    def _request(self) -> bool:
        received = b""
        while b"\r\n\r\n" not in received:
            more = self._peer.recv(4096)
            if not more:
                return False
            received += more
        return True


def answer(body: bytes, *lines: str) -> bytes:
    """An answer as it goes over the wire; the headers need not be true."""
    lengths = [] if any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in lines) else [len(body)]
    head = ["HTTP/1.1 200 OK", *(f"Content-Length: {length}" for length in lengths), *lines]
    return "\r\n".join([*head, "", ""]).encode() + body

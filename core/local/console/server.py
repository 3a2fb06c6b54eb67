"""Serves the console on this machine's loopback, inside the running event loop, and opens its page."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import webbrowser
from typing import TYPE_CHECKING, Self

import uvicorn

from core.local.console.app import console_app
from core.local.console.feed import Feed
from core.local.guest import GuestServer
from core.local.shell import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.common.clock import Clock
    from core.local.viewing.reader import Reader

CONSOLE_PORT = 8090
_LOOPBACK = "127.0.0.1"


class Console:
    """An async context manager that gives the URL; closes `reader` at its end. Port 0 takes a free one."""

    def __init__(self, reader: Reader, *, clock: Clock, port: int = CONSOLE_PORT) -> None:
        self._reader = reader
        self._clock = clock
        self._port = port
        self._feed = Feed(reader, clock=clock)
        self._server: GuestServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        listener = _listen(self._port)
        self._port = listener.getsockname()[1]
        app = console_app(self._feed, self._reader, clock=self._clock, hosts=_hosts(self._port))
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
        )
        self._server = GuestServer(config)
        self._task = asyncio.create_task(self._server.serve([listener]))
        await self._server.ready.wait()
        self._feed.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._feed.stop()
        if self._server and self._task:
            self._server.stop()
            await self._task
        self._reader.close()

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{_LOOPBACK}:{self._port}/"


def _hosts(port: int) -> frozenset[str]:
    return frozenset(f"{host}:{port}" for host in (_LOOPBACK, "localhost"))


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise CommandError(
            f"the console cannot listen on {_LOOPBACK}:{port}: {error.strerror}; choose another port with --port"
        ) from error
    return listener


def can_open(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether somebody looks on, at a screen of this machine.

    Over SSH and in CI there is none. A browser in the terminal would take the terminal away.
    """
    person = sys.stdout.isatty() and not environ.get("CI") and not environ.get("SSH_CONNECTION")
    return person and (sys.platform == "darwin" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")))


def open_page(url: str) -> bool:
    """Ask the desktop's browser to show `url`; tell whether there is one."""
    return can_open() and webbrowser.open(url)

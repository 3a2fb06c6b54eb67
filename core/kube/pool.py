"""Connections kept from call to call."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from core.kube.connection import Connection

KEPT_SECONDS = 55.0
"""Load balancers drop connections that are idle for a minute, without a word."""


class ConnectionPool:
    """At most `limit` connections; the one used last is used next, so that those too many grow old."""

    def __init__(self, *, open_connection: Callable[[], Awaitable[Connection]], limit: int) -> None:
        self._open = open_connection
        self._slots = asyncio.Semaphore(limit)
        self._idle: list[tuple[Connection, float]] = []
        self._all: set[Connection] = set()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection, opened where none is idle. Raises OSError where that fails."""
        async with self._slots:
            connection = self._kept() or await self._opened()
            try:
                yield connection
            finally:
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


def _now() -> float:
    return asyncio.get_running_loop().time()

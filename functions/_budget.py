"""Bytes of bodies that one instance holds at a time: the others wait in the senders' own buffers, and are then shed.

Without it the memory would be what senders make of it: as many connections as there are, times SLUICE_MAX_BODY.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Iterator

FREE_BYTES = 64 * 1024
"""What a body may have brought before it has to wait. uvicorn reads as much before it asks whether we want it; and a
sender that announces much and sends little takes nothing from others."""


class BodyBudget:
    """`limit` bytes for the bodies of one event loop, given out in the order in which they were asked for."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def held(self) -> int:
        """Bytes given out now."""
        return self._held

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Lend a share that starts with nothing and is given back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self._give_back(share.size)

    async def take(self, size: int, *, timeout: float) -> None:
        """Wait until `size` bytes are free and nobody waits for longer.

        Raises:
            OverloadedError: they were not within `timeout` seconds.
        """
        if not self._waiting and self._held + size <= self._limit:
            self._held += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(timeout):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give_back(size)  # granted in the moment in which the wait ended
            else:
                self._waiting.remove((size, turn))
                self._serve_next()
            if isinstance(error, TimeoutError):
                raise OverloadedError(
                    f"this instance works on {self._held} bytes of bodies, and {size} more did not get their turn in "
                    f"{timeout:.1f} s; send the same request again"
                ) from None
            raise

    def _give_back(self, size: int) -> None:
        self._held -= size
        self._serve_next()

    def _serve_next(self) -> None:
        while self._waiting and self._held + self._waiting[0][0] <= self._limit:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._held += size
                turn.set_result(None)


class Share:
    """What one body has of the budget."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.size = 0

    async def grow(self, size: int, *, timeout: float) -> None:
        """Have `size` bytes at least. See BodyBudget.take."""
        if size > self.size:
            await self._budget.take(size - self.size, timeout=timeout)
            self.size = size

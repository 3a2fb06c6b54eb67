"""Bytes that one instance may hold at a time: bodies that come in, and bodies on their way to the API server."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ByteBudget:
    """`limit` bytes of one event loop, given out in the order in which they were asked for.

    Args:
        limit: bytes; who asks for more gets what there is, alone.
        doing: what this instance does with them, in words for people.
        observe: told how many are held, whenever that changes.
    """

    def __init__(
        self,
        *,
        limit: int,
        doing: str = "works on {} bytes of bodies",
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._limit = limit
        self._doing = doing
        self._held = 0
        self._observe = observe
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def limit(self) -> int:
        """Bytes that there are."""
        return self._limit

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
            self._hold(size)
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
                    f"this instance {self._doing.format(self._held)}, and {size} more did not get their turn in "
                    f"{timeout:.1f} s; send the same request again"
                ) from None
            raise

    def _hold(self, more: int) -> None:
        self._held += more
        self._observe(self._held)

    def _give_back(self, size: int) -> None:
        self._hold(-size)
        self._serve_next()

    def _serve_next(self) -> None:
        while self._waiting and self._held + self._waiting[0][0] <= self._limit:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._hold(size)
                turn.set_result(None)


class Share:
    """What one holder has of a budget."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.size = 0

    async def grow(self, size: int, *, timeout: float) -> None:
        """Have `size` bytes at least. See ByteBudget.take."""
        size = min(size, self._budget.limit)
        if size > self.size:
            await self._budget.take(size - self.size, timeout=timeout)
            self.size = size

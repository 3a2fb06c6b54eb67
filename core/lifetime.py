"""One value per event loop, built at first use and closed when the loop ends.

functions-framework has no start or stop hook and imports the function before gunicorn forks, so nothing
that belongs to a loop may be made at import. An async generator is the one thing that every loop runner
(asyncio.run, uvicorn, gunicorn's worker) finishes at its end: it closes the value.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """Something that holds connections."""

    async def close(self) -> None:
        """Give them back."""


T = TypeVar("T", bound=Closable)


class PerLoop(Generic[T]):
    """Builds a value once in each loop, also when many requests ask at the same moment."""

    def __init__(self, build: Callable[[], Awaitable[T]]) -> None:
        self._build = build
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._keeper: AsyncGenerator[T, None] | None = None

    async def get(self) -> T:
        """Return this loop's value. What building raises is raised here, and the next call builds anew."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._lock, self._value = loop, asyncio.Lock(), None
        if self._value is None:
            async with self._lock:
                if self._value is None:
                    self._keeper = _kept(await self._build())
                    self._value = await anext(self._keeper)
        return self._value


async def _kept(value: T) -> AsyncGenerator[T, None]:
    try:
        yield value
    finally:
        await value.close()

"""Awaitables side by side."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

T = TypeVar("T")


async def together(coroutines: Sequence[Coroutine[object, object, T]]) -> list[T]:
    """Run them at once; their results in order. One alone, the most frequent case, needs no task of its own."""
    if len(coroutines) == 1:
        return [await coroutines[0]]
    return list(await asyncio.gather(*coroutines))

"""Waits for what other processes do: they send no event, so a condition is asked again and again.

No wait judges speed. A wait ends at the first true value, so a long limit costs nothing where all is well: it only
tells a process that hangs from one on a machine that is busy with other things.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

POLL_INTERVAL = 0.02
HANGS_AFTER = 300.0
"""Seconds. No wait ends in vain before them, whatever its own `within`, which is for a machine without other work."""


def wait_for(condition: Callable[[], T | None], *, what: str, within: float) -> T:
    """Return the first true value of `condition`; AssertionError where there is none in time."""
    within = max(within, HANGS_AFTER)
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {within:g} s in vain for {what}; last seen: {value!r}"
        time.sleep(POLL_INTERVAL)
    return value


async def eventually(condition: Callable[[], Awaitable[bool]], *, what: str, within: float) -> None:
    """Return as soon as `condition` holds; AssertionError where it does not in time."""
    within = max(within, HANGS_AFTER)
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, f"waited {within:g} s in vain for {what}"
        await asyncio.sleep(POLL_INTERVAL)

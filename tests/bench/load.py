"""A closed loop: so many requests in flight, the next one as soon as one is answered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable


@dataclass(frozen=True)
class Slice:
    """One run of a workload: latency of each operation in seconds, and the time of all."""

    latencies: tuple[float, ...]
    seconds: float


async def run(operations: Iterable[Callable[[], Awaitable[None]]], *, in_flight: int) -> Slice:
    """Run all operations, `in_flight` at a time; what one of them raises ends the benchmark."""
    waiting = iter(operations)
    latencies: list[float] = []

    async def work() -> None:
        for operation in waiting:
            started = time.perf_counter()
            await operation()
            latencies.append(time.perf_counter() - started)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())
    return Slice(tuple(latencies), time.perf_counter() - started)

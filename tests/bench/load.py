"""A closed loop: so many operations in flight, the next one as soon as one is answered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence


@dataclass(frozen=True)
class Slice:
    """One run of a workload, in seconds.

    `latencies` are those of each operation, `ends` when each was answered after the slice began, `seconds`
    the time of all. `refused` operations, answered with 503, are in none of them.
    """

    latencies: tuple[float, ...]
    ends: tuple[float, ...]
    seconds: float
    refused: int = 0


async def run(operations: Iterable[Callable[[], Awaitable[None]]], *, in_flight: int) -> Slice:
    """Run all operations, `in_flight` at a time; what one of them raises ends the benchmark."""
    waiting = iter(operations)
    latencies: list[float] = []
    ends: list[float] = []

    async def work() -> None:
        for operation in waiting:
            begun = time.perf_counter()
            await operation()
            ended = time.perf_counter()
            latencies.append(ended - begun)
            ends.append(ended - started)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())
    return Slice(tuple(latencies), tuple(ends), time.perf_counter() - started)


def merged(slices: Sequence[Slice]) -> Slice:
    """Return slices that ran side by side as one: it lasted as long as the longest."""
    return Slice(
        tuple(latency for one in slices for latency in one.latencies),
        tuple(end for one in slices for end in one.ends),
        max(one.seconds for one in slices),
    )

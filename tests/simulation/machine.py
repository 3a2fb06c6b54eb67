"""A simulated machine that runs one gateway: its clocks, its pauses, its death."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from tests.simulation.loop import Step, VirtualLoop

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

MACHINE: ContextVar[Machine | None] = ContextVar("machine", default=None)
"""The machine that the running step belongs to; None for the network, the API server and all people."""


class Machine:
    """One process on one machine.

    Args:
        name: of the pod.
        offset: seconds by which its wall clock is wrong.
        rate: seconds its clocks count in one true second.
        booted: what its monotonic clock shows at the true second 0.
    """

    def __init__(self, name: str, *, offset: float = 0.0, rate: float = 1.0, booted: float = 0.0) -> None:
        self.name = name
        self.offset = offset
        self.rate = rate
        self.booted = booted
        self.dead = False
        self.paused = False
        self.slept = 0.0
        """True seconds for which its monotonic clock stood still: a virtual machine that was suspended."""
        self.paused_in_all = 0.0
        self.steps = 0
        self.on_step: Callable[[], None] | None = None
        """Called before each step of its event loop; it may pause or kill the machine."""
        self.held: list[Step] = []

    def lets(self, step: Step) -> bool:
        """Tell whether a step may run now; while the machine stands still it is held back for later."""
        if not (self.dead or self.paused):
            self.steps += 1
            if self.on_step:
                self.on_step()
        if self.paused:
            self.held.append(step)
        return not (self.dead or self.paused)

    def monotonic(self, true: float) -> float:
        """Return what its monotonic clock shows at a true second."""
        return self.booted + (true - self.slept) * self.rate

    def true(self, monotonic: float) -> float:
        """Return the true second at which its monotonic clock shows `monotonic`, unless it is suspended before."""
        return (monotonic - self.booted) / self.rate + self.slept

    def wall(self, true: float) -> datetime:
        """Return what its wall clock shows."""
        return START + timedelta(seconds=true * self.rate + self.offset)


class MachineClock:
    """core.common.clock.Clock on a machine."""

    def __init__(self, machine: Machine, loop: VirtualLoop) -> None:
        self._machine = machine
        self._loop = loop

    def __repr__(self) -> str:
        return f"the clock of {self._machine.name}"

    def now(self) -> datetime:
        return self._machine.wall(self._loop.true_time)

    def monotonic(self) -> float:
        return self._machine.monotonic(self._loop.true_time)

    async def sleep(self, seconds: float) -> None:
        if self._machine.dead:
            raise ProcessLookupError  # what is thrown away with the machine must not wait any more
        future = self._loop.create_future()
        timer = self._loop.call_later(seconds, _wake, future)
        try:
            await future
        finally:
            timer.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

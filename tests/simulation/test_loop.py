"""Virtual time, and what SIGSTOP, a suspended machine and SIGKILL do to one of several machines."""

import asyncio

import pytest

from tests.simulation.loop import StandstillError, VirtualLoop
from tests.simulation.machine import Machine, MachineClock

STEPS = 1000


@pytest.fixture
def loop() -> VirtualLoop:
    return VirtualLoop()  # type: ignore[abstract]


class Ticks:
    """A machine that notes the true time of its every tick, one of its own seconds apart."""

    def __init__(self, loop: VirtualLoop, machine: Machine, *, ticks: int = 4) -> None:
        self.loop = loop
        self.machine = machine
        self.at: list[float] = []
        self.ended = False
        loop.start(machine, self._tick(ticks))

    async def _tick(self, ticks: int) -> None:
        clock = MachineClock(self.machine, self.loop)
        try:
            for _ in range(ticks):
                await clock.sleep(1)
                self.at.append(round(self.loop.true_time, 6))
        finally:
            self.ended = True


def test_time_jumps_and_steps_keep_their_order(loop: VirtualLoop):
    seen: list[str] = []

    async def main() -> float:
        await asyncio.gather(late(2, "b"), late(1, "a"), late(2, "c"), late(3600, "d"))
        return asyncio.get_running_loop().time()

    async def late(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        seen.append(name)

    assert loop.run(main(), steps=STEPS) == 3600
    assert seen == ["a", "b", "c", "d"]


def test_stopped_machine_goes_on_late_and_others_do_not_wait_for_it(loop: VirtualLoop):
    stopped, other = Ticks(loop, Machine("a")), Ticks(loop, Machine("b"))
    loop.outside(1.5, loop.pause, stopped.machine, 10.0)
    loop.run(asyncio.sleep(30), steps=STEPS)
    assert stopped.at == [1, 11.5, 12.5, 13.5]
    assert other.at == [1, 2, 3, 4]


def test_timers_of_a_suspended_machine_wait_as_long_as_its_clock_stood_still(loop: VirtualLoop):
    suspended = Ticks(loop, Machine("a"))
    loop.outside(1.5, lambda: loop.pause(suspended.machine, 10.0, suspended=True))
    loop.run(asyncio.sleep(30), steps=STEPS)
    assert suspended.at == [1, 12, 13, 14]
    assert suspended.machine.monotonic(loop.true_time) == 20


def test_timeout_that_ran_out_while_the_machine_was_stopped_is_late_but_sure(loop: VirtualLoop):
    machine = Machine("a")
    ended: list[float] = []

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.Event().wait()
        ended.append(loop.true_time)

    loop.start(machine, wait())
    loop.outside(1.0, loop.pause, machine, 60.0)
    loop.run(asyncio.sleep(100), steps=STEPS)
    assert ended == [61.0]


def test_drifting_clock_counts_its_own_seconds(loop: VirtualLoop):
    fast = Ticks(loop, Machine("a", rate=2.0, booted=500.0))
    loop.run(asyncio.sleep(10), steps=STEPS)
    assert fast.at == [0.5, 1, 1.5, 2]


def test_killed_machine_does_nothing_more(loop: VirtualLoop):
    killed, other = Ticks(loop, Machine("a")), Ticks(loop, Machine("b"))
    loop.outside(2.5, loop.kill, killed.machine)
    loop.run(asyncio.sleep(30), steps=STEPS)
    assert killed.at == [1, 2]
    assert other.at == [1, 2, 3, 4]
    assert killed.ended  # its coroutines are closed there and then, not whenever they are collected


def test_machine_stops_before_the_step_that_was_asked_for(loop: VirtualLoop):
    ticks = Ticks(loop, Machine("a"))
    machine = ticks.machine

    def stop() -> None:
        if machine.steps == 3 and not machine.paused:
            machine.on_step = None
            loop.pause(machine, 5.0)

    machine.on_step = stop
    loop.run(asyncio.sleep(30), steps=STEPS)
    assert machine.paused_in_all == 5.0
    assert ticks.at[-1] > 4


def test_run_in_which_nothing_can_happen_any_more_is_told_so(loop: VirtualLoop):
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StandstillError, match="somebody still waits"):
        loop.run(wait(), steps=STEPS)


def test_run_that_goes_round_for_ever_is_told_so(loop: VirtualLoop):
    async def spin() -> None:
        while True:  # noqa: ASYNC110 - that is the mistake
            await asyncio.sleep(0)

    with pytest.raises(StandstillError, match="still busy"):
        loop.run(spin(), steps=STEPS)

"""An event loop on virtual time that knows which machine each step belongs to.

Written here because no library has the second half: looptime moves time, but SIGSTOP and SIGKILL of one
of several machines in one process need a loop that holds back, or drops, the steps of that machine alone,
and timers that follow each machine's own clock. It has no sockets and no threads, so that the order of all
steps depends on nothing but the order in which they were asked for.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from tests.simulation.machine import MACHINE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.simulation.machine import Machine

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_Running = tuple["asyncio.Task[Any]", contextvars.Context]
_SWEEP = 200


class StandstillError(Exception):
    """Nothing is left to do, and what was waited for has not happened."""


class Step(asyncio.TimerHandle):
    """One callback. `machine` runs it; `timed` tells a timer, whose `when()` is on that machine's clock."""

    __slots__ = ("machine", "timed")

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Any,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
        *,
        timed: bool,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.machine: Machine | None = self._context.get(MACHINE)  # type: ignore[attr-defined]
        self.timed = timed


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs steps in the order asked for; when none is ready, time jumps to the next timer."""

    def __init__(self) -> None:
        self.true_time = 0.0
        self.stopped = False
        self.steps = 0
        self._ready: deque[Step] = deque()
        self._timers: list[tuple[float, int, Step]] = []
        self._number = 0
        self._tasks: list[_Running] = []
        self._tasks_at_most = _SWEEP
        self._outside = contextvars.Context()

    def run(self, main: Coroutine[Any, Any, T], *, steps: int) -> T | None:
        """Run `main` to its end and return its result; None where the loop was stopped before.

        Raises:
            StandstillError: no step and no timer is left, or more than `steps` steps were made.
        """
        asyncio._set_running_loop(self)
        try:
            task = self.start(None, main)
            while not task.done() and not self.stopped:
                if self.steps >= steps:
                    raise StandstillError(f"still busy after {steps} steps")
                self._step()
            return task.result() if task.done() else None
        finally:
            self.stopped = True
            self._end()
            asyncio._set_running_loop(None)

    def _step(self) -> None:
        if not self._ready:
            self._jump()
        step = self._ready.popleft()
        if step.cancelled():
            return
        if step.machine is None or step.machine.lets(step):
            self.steps += 1
            step._run()

    def _jump(self) -> None:
        while self._timers:
            when, _, step = heapq.heappop(self._timers)
            if not step.cancelled():
                self.true_time = max(self.true_time, when)
                self._ready.append(step)
                return
        raise StandstillError("nothing is left to do, but somebody still waits")

    # People and the network

    def outside(self, seconds: float, callback: Callable[..., object], *args: Any) -> Step:
        """Call something that belongs to no machine after true seconds."""
        step = Step(self.true_time + seconds, callback, args, self, self._outside, timed=True)
        self._push(self.true_time + seconds, step)
        return step

    def start(self, machine: Machine | None, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task on a machine, or outside of all."""
        context = contextvars.Context()
        context.run(MACHINE.set, machine)
        return self.create_task(work, context=context)

    def pause(self, machine: Machine, seconds: float, *, suspended: bool = False) -> None:
        """Stop a machine for true seconds; `suspended` stops its monotonic clock too."""
        machine.paused = True
        self.outside(seconds, self._resume, machine, seconds if suspended else 0.0, seconds)

    def _resume(self, machine: Machine, slept: float, seconds: float) -> None:
        machine.paused = False
        machine.paused_in_all += seconds
        machine.slept += slept
        held, machine.held = machine.held, []
        if machine.dead:
            return
        if slept:
            self._timers = [
                (when + slept if step.machine is machine else when, number, step) for when, number, step in self._timers
            ]
            heapq.heapify(self._timers)
        for step in held:
            if slept and step.timed and machine.true(step.when()) > self.true_time:
                self._push(machine.true(step.when()), step)
            else:
                self._ready.append(step)

    def kill(self, machine: Machine) -> None:
        """End a machine: none of its steps runs any more, and no handler, finally or except of its code either.

        Closing its coroutines runs them once, on a transport that is dead, so that nothing is left to the
        garbage collector, whose moment no seed decides.
        """
        machine.dead = True
        machine.on_step = None
        machine.held.clear()
        self._abandon([each for each in self._tasks if each[1].get(MACHINE) is machine])

    def _end(self) -> None:
        for _, context in self._tasks:
            machine = context.get(MACHINE)
            if machine is not None:
                machine.dead = True
        self._abandon(self._tasks)

    def _abandon(self, tasks: list[_Running]) -> None:
        for task, context in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            if not task.done() and asyncio.iscoroutine(coroutine):
                context.run(coroutine.close)

    # What asyncio asks of an event loop

    def time(self) -> float:
        machine = MACHINE.get()
        return self.true_time if machine is None else machine.monotonic(self.true_time)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        step = Step(0.0, callback, args, self, context, timed=False)
        self._ready.append(step)
        return step

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        step = Step(when, callback, args, self, context, timed=True)
        self._push(step.machine.true(when) if step.machine else when, step)
        return step

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[Any]:
        context = context or contextvars.copy_context()
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        self._tasks.append((task, context))
        if len(self._tasks) > self._tasks_at_most:
            self._tasks = [each for each in self._tasks if not each[0].done()]
            self._tasks_at_most = max(_SWEEP, 2 * len(self._tasks))
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        raise error if isinstance(error, BaseException) else RuntimeError(str(context.get("message")))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: `_jump` leaves cancelled timers out."""

    def _push(self, when: float, step: Step) -> None:
        self._number += 1
        heapq.heappush(self._timers, (when, self._number, step))

"""Gateway pods: the real function on the real pipeline, on a machine that stops and dies."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from core.common.resilience import Deadline
from core.errors import SluiceError
from core.protocol.lease import LeaseStore
from core.protocol.pruning import prune
from tests.simulation.machine import MACHINE, Machine, MachineClock
from tests.simulation.scenario import dice
from tests.simulation.wire import Wire
from tests.simulation.worker import build_worker, endpoint_of, request_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from core.answers import Answer
    from core.protocol.remediation_request import RemediationRequest
    from tests.simulation.scenario import Stop
    from tests.simulation.world import World


class ResetError(Exception):
    """The sender's connection broke: it does not know what became of its webhook."""


class Pod:
    """One pod; it starts at once, and again after each death."""

    def __init__(self, *, world: World, number: int) -> None:
        self._world = world
        self._number = number
        self._incarnation = 0
        mine = sorted(
            (stop for stop in world.scenario.stops if stop.pod == number), key=lambda stop: (stop.step, stop.key)
        )
        self._stops = [stop for stop in mine if stop.step]
        self._stops_as_holder = [stop for stop in mine if not stop.step]
        self._open: dict[asyncio.Future[Answer], None] = {}
        self.machine = Machine(self._name)
        self._start()

    @property
    def working(self) -> bool:
        """Whether it runs, and neither stands still nor owes an answer."""
        return not (self.machine.dead or self.machine.paused or self._open)

    def post(self, body: bytes, fingerprints: Sequence[str]) -> asyncio.Future[Answer]:
        """Send a webhook; the future fails with ResetError where the connection breaks."""
        reply: asyncio.Future[Answer] = self._world.loop.create_future()
        if self.machine.dead:
            _break(reply, "connection refused")
            return reply
        self._open[reply] = None
        self._world.loop.start(self.machine, self._serve(body, fingerprints, reply))
        return reply

    def muddle(self, fingerprint: str, remembered: RemediationRequest) -> None:
        """Let it remember of a fingerprint what was true once, or of another one."""
        if not self.machine.dead:
            recorder: Any = self._worker.given.rounds._record
            recorder.__self__._memory._rrs.put(fingerprint, remembered)

    def prune(self, *, older_than_seconds: float) -> None:
        """Delete ended RRs and Leases that nobody needs, from this machine."""
        if not self.machine.dead:
            self._world.loop.start(self.machine, self._prune(older_than_seconds))

    async def _prune(self, older_than_seconds: float) -> None:
        gateway = self._worker.given
        with suppress(SluiceError, ProcessLookupError):
            await prune(
                client=gateway.client,
                store=LeaseStore(client=gateway.client, namespace=gateway.settings.namespace, clock=gateway.clock),
                resource=gateway.resource,
                namespace=gateway.settings.namespace,
                older_than_seconds=older_than_seconds,
                cooldown=gateway.settings.cooldown,
                leases_older_than_seconds=3600.0 if self._world.scenario.jumping else 65.0,
                deadline=Deadline(clock=gateway.clock, seconds=30.0),
            )

    def heal(self) -> None:
        """Stop and die no more."""
        self._stops.clear()
        self._stops_as_holder.clear()

    def granted(self) -> None:
        """Learn that a Lease is got, before the gateway does."""
        if self._stops_as_holder:
            self._stop(self._stops_as_holder.pop(0))

    def _start(self) -> None:
        world, steps = self._world, self.machine.steps
        self._incarnation += 1
        rng = dice(world.scenario.seed, f"{self._name}-{self._incarnation}")
        offset, drift = world.scenario.clock_offset, world.scenario.clock_drift
        self.machine = Machine(
            self._name,
            offset=rng.uniform(-offset, offset),
            rate=1.0 + rng.uniform(-drift, drift),
            booted=rng.uniform(0.0, 1e6),
        )
        self.machine.steps = steps
        self.machine.on_step = self._before_step
        self._actor = f"sluice-{self._number}.{self._incarnation}"
        token = MACHINE.set(self.machine)
        wire = Wire(world=world, machine=self.machine, actor=self._actor, granted=self.granted)
        self._worker = build_worker(world, wire, clock=MachineClock(self.machine, world.loop), seed=rng.getrandbits(64))
        self._endpoint = endpoint_of(self._worker)
        self._worker.given.sweeper.start()
        MACHINE.reset(token)

    @property
    def _name(self) -> str:
        return f"pod-{self._number}"

    def _before_step(self) -> None:
        while self._stops and self._stops[0].step <= self.machine.steps:
            self._stop(self._stops.pop(0))

    def _stop(self, stop: Stop) -> None:
        if self.machine.paused or self.machine.dead:
            return
        self._world.trace.fault(stop.key, stop.kind if stop.step else f"{stop.kind} as holder")
        self._world.note(self._actor, f"{stop.kind} for {stop.seconds:.1f} s")
        if stop.kind == "kill":
            self._kill(stop)
        else:
            self._world.loop.pause(self.machine, stop.seconds, suspended=stop.kind == "suspend")

    def _kill(self, stop: Stop) -> None:
        self._world.loop.kill(self.machine)
        for reply in self._open:
            _break(reply, "connection reset")
        self._open.clear()
        self._world.loop.outside(min(stop.seconds, 10.0), self._start)

    async def _serve(self, body: bytes, fingerprints: Sequence[str], reply: asyncio.Future[Answer]) -> None:
        world, machine = self._world, self.machine
        started, paused = world.loop.true_time, machine.paused_in_all
        world.judge.on_delivered(fingerprints)
        given = await self._endpoint.answer(request_of(body))
        if machine.dead:
            return
        took = world.loop.true_time - started - (machine.paused_in_all - paused)
        world.note(self._actor, f"answers {given.status}")
        limit = self._worker.settings.request_deadline / machine.rate
        world.judge.on_given(self._actor, fingerprints, given, seconds=took, limit=limit)
        self._open.pop(reply, None)
        world.loop.outside(0.001, _reply, reply, given)


def _reply(reply: asyncio.Future[Answer], given: Answer) -> None:
    if not reply.done():
        reply.set_result(given)


def _break(reply: asyncio.Future[Answer], why: str) -> None:
    if not reply.done():
        reply.set_exception(ResetError(why))
        reply.exception()  # a sender that gave up never asks

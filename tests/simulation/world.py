"""One run: the cast of a scenario on one loop, from the first notification until all has healed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.protocol.lease import lease_name
from core.protocol.remediation_request import RemediationRequest
from tests.simulation.api import Api, Replica
from tests.simulation.etcd import Etcd
from tests.simulation.judge import Judge, fingerprint_of, is_ours, is_resolved
from tests.simulation.loop import StandstillError, VirtualLoop
from tests.simulation.people import Operator, Orchestrator
from tests.simulation.phases import active
from tests.simulation.pods import Pod
from tests.simulation.scenario import Event, Scenario, dice, draw
from tests.simulation.senders import Alertmanager, fingerprint, probe, resolve
from tests.simulation.trace import Trace
from tests.simulation.worker import BugHandler, settings_of
from tests.simulation.writers import ForeignGateway, Namesake

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Coroutine

HEALING_SECONDS = 70.0
"""The latest call has arrived by then (60 s), the breaker lets calls pass (30 s), every Lease has run out."""

_MOST_STEPS = 200_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found: `violation` is empty where every promise held."""

    scenario: Scenario
    violation: str
    trace: Trace
    true_seconds: float

    @property
    def promise(self) -> str:
        """The promise that was broken, or nothing."""
        return self.violation.partition(":")[0]


class World:
    """Everything in one run."""

    def __init__(self, scenario: Scenario, *, without: Container[str]) -> None:
        self.scenario = scenario
        self.without = without
        self.healed = False
        self.loop = VirtualLoop()  # type: ignore[abstract]
        self.trace = Trace()
        self.etcd = Etcd(now=self._now)
        self.api = Api(etcd=self.etcd, now=self._now, random=dice(scenario.seed, "uids"), defaults=scenario.defaults)
        self.replicas = [Replica(*each) for each in zip(scenario.lags, scenario.replica_offsets, strict=True)]
        self.judge = Judge(
            etcd=self.etcd,
            trace=self.trace,
            foreign=scenario.world == "shared",
            cooldown=scenario.cooldown,
            fingerprints=[fingerprint(target) for target in scenario.targets],
            now=self._now,
            stop=self._stop,
        )
        self.settings = settings_of(scenario)
        self.logger = logging.Logger("sluice.simulation", logging.WARNING)  # noqa: LOG001 - each run has its own
        self.logger.addHandler(BugHandler(self))
        self._down_until = [0.0] * scenario.replicas
        self._tasks: list[asyncio.Task[None]] = []
        self._upcoming = len(scenario.events)
        self.pods = [Pod(world=self, number=number) for number in range(scenario.pods)]
        self._orchestrator = Orchestrator(self)

    def note(self, who: str, what: str) -> None:
        """Add a line to the trace."""
        self.trace.note(self.loop.true_time, who, what)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start something that belongs to no machine, and that the run waits for."""
        self._tasks.append(self.loop.start(None, work))

    def is_down(self, replica: int) -> bool:
        """Whether an API server refuses connections just now."""
        return self.loop.true_time < self._down_until[replica]

    async def play(self) -> None:
        """Play the timetable, let everything heal, and see whether it has."""
        for event in self.scenario.events:
            self.loop.outside(event.at, self._happen, event)
        while not self._quiet():  # noqa: ASYNC110 - virtual seconds cost nothing
            await asyncio.sleep(1.0)
        if failures := [error for task in self._tasks if (error := task.exception())]:
            raise failures[0]  # a sender that fails is a fault of the simulation, which ends it
        self.healed = True
        self.note("-", "all faults are over")
        for pod in self.pods:
            pod.heal()
        await asyncio.sleep(HEALING_SECONDS)
        self._orchestrator.end_all()
        if self.scenario.cooldown:
            await asyncio.sleep(
                self.scenario.cooldown + 2.0
            )  # till then they take the signals that are to open new ones
        targets = [target for target in self.scenario.targets if self.judge.counts.delivered[fingerprint(target)]]
        await probe(self, targets)
        await asyncio.sleep(10.0)
        self._check_end(targets)
        if self.scenario.resolves:
            await resolve(self, targets)
            self._check_told(targets)

    def _quiet(self) -> bool:
        busy = self._upcoming or any(not task.done() for task in self._tasks)
        return not busy and all(pod.working for pod in self.pods)

    def _happen(self, event: Event) -> None:
        self._upcoming -= 1
        self.trace.used[event.key] = None
        acts: dict[str, Callable[[str], None]] = {
            "notify": lambda key: Alertmanager(world=self, key=key).send(),
            "resolve": lambda key: Alertmanager(world=self, key=key, resolved=True).send(),
            "phase": self._orchestrator.move,
            "cleanup": lambda _: self._orchestrator.clean_up(),
            "delete": self._orchestrator.delete,
            "operator": Operator(self).meddle,
            "namesake": Namesake(self).take_name,
            "jump": self._jump,
            "prune": self._prune,
            "muddle": self._muddle,
            "foreign": lambda key: self.begin(self._foreign.receive(key)),
            "outage": self._outage,
        }
        acts[event.kind](event.key)

    def _jump(self, key: str) -> None:
        rng = dice(self.scenario.seed, key)
        rng.choice(self.replicas).offset += rng.choice((-1, 1)) * 10 ** rng.uniform(1.0, 3.0)
        self.judge.leases.clocks_jumped = True
        self.trace.fault(key, "API server's clock set")

    def _prune(self, key: str) -> None:
        rng = dice(self.scenario.seed, key)
        rng.choice(self.pods).prune(older_than_seconds=rng.choice((0.0, 5.0, 100.0)))
        self.trace.fault(key, "pruned")

    def _muddle(self, key: str) -> None:
        rng = dice(self.scenario.seed, key)
        seen = [RemediationRequest.from_object(obj) for obj in self.etcd.ever("remediationrequests")]
        if seen:
            rng.choice(self.pods).muddle(fingerprint(rng.choice(self.scenario.targets)), rng.choice(seen))
            self.trace.fault(key, "memory made wrong")

    @cached_property
    def _foreign(self) -> ForeignGateway:
        return ForeignGateway(self)

    def _outage(self, key: str) -> None:
        rng = dice(self.scenario.seed, key)
        replica = rng.randrange(self.scenario.replicas)
        self._down_until[replica] = self.loop.true_time + rng.uniform(1.0, 15.0)
        self.trace.fault(key, "API server down")

    def _check_end(self, targets: list[str]) -> None:
        for target in targets:
            of = fingerprint(target)
            rrs = [obj for obj in self.etcd.objects("remediationrequests") if fingerprint_of(obj) == of]
            standing = [obj for obj in rrs if self.judge.holds(obj)]
            if len(standing) != 1 and not self.judge.revived.intersection(
                each["metadata"]["name"] for each in standing
            ):
                self.judge.fail("one", f"{len(standing)} RRs of {target} are active when all is over")
            lease = self.etcd.current("leases", lease_name(of))
            if lease and is_ours(self.judge.leases.held_by(of)) and self.judge.leases.state_of(of) == "held":
                age = self.loop.true_time - self.etcd.written_at("leases", lease_name(of))
                if age < HEALING_SECONDS:  # else nobody had a reason to take it over since
                    self.judge.fail("lock", f"{target}'s Lease was left behind {age:.0f} s ago")

    def _check_told(self, targets: list[str]) -> None:
        for target in targets:
            of = fingerprint(target)
            at_work = [obj for obj in self.etcd.objects("remediationrequests") if fingerprint_of(obj) == of]
            for obj in at_work:
                if active(obj) and not is_resolved(obj):
                    self.judge.fail("told", f"{obj['metadata']['name']} does not show that all its alerts are resolved")

    def _now(self) -> float:
        return self.loop.true_time

    def _stop(self) -> None:
        self.loop.stopped = True


def run(seed: int, *, without: Container[str] = ()) -> Outcome:
    """Run a seed, less the events, stops and faults of calls whose keys are in `without`."""
    world = World(draw(seed, without=without), without=without)
    try:
        world.loop.run(world.play(), steps=_MOST_STEPS)
    except StandstillError as error:
        world.judge.fail("heals", str(error))
    except Exception as error:
        error.add_note(f"in seed {seed}")
        raise
    world.trace.states += world.judge.counts.met
    return Outcome(world.scenario, world.judge.violation, world.trace, world.loop.true_time)

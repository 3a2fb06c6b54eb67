"""A burst on a Knative Service, step by step: senders, activator, queue-proxy, pods, API server, autoscaler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench.scale.autoscaler import SCRAPE, TICK, Autoscaler, ScaleToZero
from tests.bench.scale.pods import Line, Pods
from tests.bench.scale.senders import Senders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.scale.manifests import ServiceSettings
    from tests.bench.scale.model import ServerCapacity
    from tests.bench.scale.senders import Cohort, Phase

STEP = 0.1
ACTIVATOR_QUEUE = 10_000
QUEUE_PROXY_FACTOR = 10  # requests that wait in a pod, for each that it works on
REQUEST_DEADLINE = 8.0


@dataclass(frozen=True)
class Sample:
    """One second: pods and webhooks at its end, webhooks refused (503, or 504 after timeoutSeconds in the activator)
    and signals stored in it, share of the server."""

    second: int
    ready: int
    wanted: int
    waiting: float
    working: float
    refused: float
    stored: float
    server_use: float
    panicking: bool
    activator: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a burst went. Times are seconds from its start, None where the simulation ended before."""

    samples: tuple[Sample, ...]
    sent: float
    stored: float
    all_stored_at: float | None
    to_zero_at: float | None

    @property
    def refused(self) -> float:
        """Answers 503, each attempt of a webhook counted."""
        return sum(sample.refused for sample in self.samples)

    @property
    def most_waiting(self) -> float:
        """Webhooks that waited for a pod, at most."""
        return max(sample.waiting for sample in self.samples)

    @property
    def most_ready(self) -> int:
        """Pods, at most."""
        return max(sample.ready for sample in self.samples)


class Burst:
    """The simulation. `ready` pods run at its start; a new one takes `starts_in` seconds."""

    def __init__(
        self,
        settings: ServiceSettings,
        phases: Sequence[Phase],
        *,
        server: ServerCapacity,
        starts_in: float,
        ready: int = 0,
        activators: int = 1,
    ) -> None:
        self._settings = settings
        self._server = server
        self._activators = activators
        self._senders = Senders(phases)
        self._sent = sum(phase.webhooks * phase.work.signals for phase in phases)
        self._autoscaler = Autoscaler(settings, ready=ready)
        self._zero = ScaleToZero(settings)
        self._pods = Pods(ready=ready, starts_in=starts_in)
        self._waiting, self._working = Line(), Line()
        self._activator = True
        self._panicking = False
        self._wanted = ready
        self._refused = self._stored = self._used = self._concurrency = 0.0

    def run(self, seconds: int) -> Outcome:
        """Simulate so many seconds."""
        samples: list[Sample] = []
        total, stored_at, zero_at = 0.0, None, None
        steps = round(SCRAPE / STEP)
        for second in range(seconds):
            for step in range(steps):
                self._step(second + step * STEP)
            total += self._stored
            if stored_at is None and self._senders.done(second + 1) and total >= self._sent * (1 - 1e-6):
                stored_at = second + 1.0
            samples.append(self._sample(second))
            self._scrape(second, steps)
            if (second + 1) % TICK == 0:
                self._decide(second + 1.0)
            if self._pods.all > 0:
                zero_at = None
            elif zero_at is None and stored_at is not None:
                zero_at = second + 1.0
        return Outcome(
            samples=tuple(samples), sent=self._sent, stored=total, all_stored_at=stored_at, to_zero_at=zero_at
        )

    def _step(self, now: float) -> None:
        ready = self._pods.ready(now)
        for cohort in self._senders.send(now, now + STEP):
            self._arrive(cohort, ready, now)
        slots = ready * (self._settings.container_concurrency or float("inf"))
        for cohort in self._waiting.take(slots - self._working.number):
            self._working.add(replace(cohort, arrived=now))
        stored, used = self._working.work_off(
            seconds=STEP, cores=ready * self._settings.cpu_limit, server=self._server, now=now + STEP
        )
        late = self._working.take_older(now - REQUEST_DEADLINE)
        late += self._waiting.take_older(now - self._settings.timeout)
        for cohort in late:
            self._refuse(cohort, now)
        self._stored += stored
        self._used += used
        self._concurrency += self._waiting.number + self._working.number

    def _arrive(self, cohort: Cohort, ready: int, now: float) -> None:
        if self._pods.all == 0:
            self._scale(1, now)  # the activator's first report asks for a pod at once
        free = self._room(ready) - self._waiting.number
        taken = min(cohort.number, max(0.0, free))
        self._waiting.add(replace(cohort, number=taken))
        if cohort.number > taken:
            self._refuse(replace(cohort, number=cohort.number - taken), now)

    def _room(self, ready: int) -> float:
        if self._activator or ready == 0:
            return float(ACTIVATOR_QUEUE * self._activators)
        return float(QUEUE_PROXY_FACTOR * self._settings.container_concurrency * ready)

    def _refuse(self, cohort: Cohort, now: float) -> None:
        self._refused += cohort.number
        self._senders.refuse(cohort, now)

    def _scrape(self, second: int, steps: int) -> None:
        # Without pods and requests nobody reports anything.
        if self._pods.all or self._concurrency:
            self._autoscaler.record(second, self._concurrency / steps)
        self._refused = self._stored = self._used = self._concurrency = 0.0

    def _decide(self, now: float) -> None:
        decision = self._autoscaler.decide(now - SCRAPE, ready=self._pods.ready(now))
        if decision is not None:
            self._activator = decision.excess_burst_capacity < 0
            self._panicking = decision.panicking
            self._scale(decision.pods, now)

    def _scale(self, wanted: int, now: float) -> None:
        self._wanted = self._zero.bound(wanted, now)
        self._pods.scale(self._wanted, now)

    def _sample(self, second: int) -> Sample:
        return Sample(
            second=second,
            ready=self._pods.ready(second + 1.0),
            wanted=self._wanted,
            waiting=self._waiting.number,
            working=self._working.number,
            refused=self._refused,
            stored=self._stored,
            server_use=self._used / self._server.cores,
            panicking=self._panicking,
            activator=self._activator,
        )

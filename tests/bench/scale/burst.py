"""A burst on a Knative Service, step by step: senders, activator, queue-proxy, pods, API server, autoscaler."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

from tests.bench.scale.autoscaler import SCRAPE, TICK, Autoscaler, ScaleToZero

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.scale.manifests import ServiceSettings
    from tests.bench.scale.model import ServerCapacity, Work

STEP = 0.1
ACTIVATOR_QUEUE = 10_000
QUEUE_PROXY_FACTOR = 10  # requests that wait in a pod, for each that it works on
REQUEST_DEADLINE = 8.0
# Alertmanager's exponential backoff without its jitter, until group_interval has passed; then the next flush.
_FIRST_PAUSE = 0.5
_FACTOR = 1.5
_LONGEST_PAUSE = 60.0
GROUP_INTERVAL = 300.0
_NOTHING = 1e-9  # of a webhook: what rounding leaves


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Webhooks of one kind, evenly spread over `start` to `end` (seconds)."""

    start: float
    end: float
    webhooks: float
    work: Work


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Webhooks that were sent together and fare alike. A number of them need not be whole."""

    number: float
    work: Work
    first_sent: float
    arrived: float
    attempt: int = 0


@dataclass
class Senders:
    """All senders: phases, and what was refused."""

    phases: Sequence[Phase]
    _again: list[tuple[float, int, Cohort]] = field(default_factory=list)
    _tickets: count[int] = field(default_factory=count)

    def send(self, start: float, end: float) -> list[Cohort]:
        """What arrives in the step from `start` to `end`, oldest first."""
        due: list[Cohort] = []
        while self._again and self._again[0][0] < end:
            due.append(replace(heapq.heappop(self._again)[2], arrived=start))
        for phase in self.phases:
            overlap = min(end, phase.end) - max(start, phase.start)
            if overlap > 0:
                number = phase.webhooks * overlap / (phase.end - phase.start)
                due.append(Cohort(number=number, work=phase.work, first_sent=start, arrived=start))
        return due

    def refuse(self, cohort: Cohort, now: float) -> None:
        """They got 503 and come again."""
        due = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * _FACTOR**cohort.attempt)
        again = replace(cohort, attempt=cohort.attempt + 1)
        if due - cohort.first_sent > GROUP_INTERVAL:
            due = max(now, cohort.first_sent + GROUP_INTERVAL)
            again = replace(cohort, attempt=0, first_sent=due)
        heapq.heappush(self._again, (due, next(self._tickets), again))

    def done(self, now: float) -> bool:
        """Nothing is to be sent any more."""
        return not self._again and all(phase.end <= now for phase in self.phases)


class Pods:
    """Pods that run or start."""

    def __init__(self, *, ready: int, starts_in: float) -> None:
        self._starts_in = starts_in
        self._ready_at = [float("-inf")] * ready

    def scale(self, wanted: int, now: float) -> None:
        """Start or stop pods; those that start last are stopped first."""
        missing = wanted - len(self._ready_at)
        if missing > 0:
            self._ready_at += [now + self._starts_in] * missing
        else:
            del self._ready_at[wanted:]

    def ready(self, now: float) -> int:
        """Pods that take requests."""
        return sum(at <= now for at in self._ready_at)

    @property
    def all(self) -> int:
        """Pods that run or start."""
        return len(self._ready_at)


class Line:
    """Cohorts in the order of their arrival."""

    def __init__(self) -> None:
        self._cohorts: deque[Cohort] = deque()
        self.number = 0.0

    def add(self, cohort: Cohort) -> None:
        """At the end."""
        if cohort.number > _NOTHING:
            self._cohorts.append(cohort)
            self.number += cohort.number

    def take(self, number: float) -> list[Cohort]:
        """Up to `number` webhooks from the front."""
        taken = []
        while self._cohorts and number > _NOTHING:
            first = self._cohorts[0]
            part = min(number, first.number)
            taken.append(self._split(first, part))
            number -= part
        return taken

    def take_older(self, arrived: float) -> list[Cohort]:
        """All that arrived before."""
        taken = []
        while self._cohorts and self._cohorts[0].arrived < arrived:
            taken.append(self._split(self._cohorts[0], self._cohorts[0].number))
        return taken

    def work_off(self, *, seconds: float, cores: float, server: ServerCapacity, now: float) -> float:
        """Finish from the front what the budgets of this step allow; returns the signals stored."""
        function, api, seats = cores * seconds, server.cores * seconds, server.seats * seconds
        stored = 0.0
        while self._cohorts and self._cohorts[0].arrived + self._cohorts[0].work.latency <= now:
            first = self._cohorts[0]
            work = first.work
            part = min(first.number, function / work.function, api / work.server, seats / work.seats)
            if part <= _NOTHING:
                break
            self._split(first, part)
            function, api, seats = function - part * work.function, api - part * work.server, seats - part * work.seats
            stored += part * work.signals
        return stored

    def _split(self, first: Cohort, part: float) -> Cohort:
        self.number = max(0.0, self.number - part)
        rest = first.number - part
        if rest > _NOTHING:
            self._cohorts[0] = replace(first, number=rest)
        else:
            self._cohorts.popleft()
        return replace(first, number=part)


@dataclass(kw_only=True)
class Outcome:
    """How a burst went. Times are seconds from its start, None where the simulation ended before.

    `refused` counts each 503, and each 504 after timeoutSeconds in the activator; `most_waiting` webhooks waited for
    one of `most_ready` pods.
    """

    sent: float
    stored: float = 0.0
    refused: float = 0.0
    most_waiting: float = 0.0
    most_ready: int = 0
    all_stored_at: float | None = None
    to_zero_at: float | None = None


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
    ) -> None:
        self._settings = settings
        self._server = server
        self._senders = Senders(phases)
        self._outcome = Outcome(sent=sum(phase.webhooks * phase.work.signals for phase in phases))
        self._autoscaler = Autoscaler(settings, ready=ready)
        self._zero = ScaleToZero(settings)
        self._pods = Pods(ready=ready, starts_in=starts_in)
        self._waiting, self._working = Line(), Line()
        self._activator = True
        self._concurrency = 0.0

    def run(self, seconds: int) -> Outcome:
        """Simulate so many seconds."""
        steps = round(SCRAPE / STEP)
        for second in range(seconds):
            for step in range(steps):
                self._step(second + step * STEP)
            self._look(second + 1.0)
            # Without pods and requests nobody reports anything.
            if self._pods.all or self._concurrency:
                self._autoscaler.record(second, self._concurrency / steps)
            self._concurrency = 0.0
            if (second + 1) % TICK == 0:
                self._decide(second + 1.0)
            if self._pods.all > 0:
                self._outcome.to_zero_at = None
            elif self._outcome.to_zero_at is None and self._outcome.all_stored_at is not None:
                self._outcome.to_zero_at = second + 1.0
        return self._outcome

    def _look(self, now: float) -> None:
        seen = self._outcome
        if seen.all_stored_at is None and self._senders.done(now) and seen.stored >= seen.sent * (1 - 1e-6):
            seen.all_stored_at = now
        seen.most_waiting = max(seen.most_waiting, self._waiting.number)
        seen.most_ready = max(seen.most_ready, self._pods.ready(now))

    def _step(self, now: float) -> None:
        ready = self._pods.ready(now)
        for cohort in self._senders.send(now, now + STEP):
            self._arrive(cohort, ready, now)
        slots = ready * (self._settings.container_concurrency or float("inf"))
        for cohort in self._waiting.take(slots - self._working.number):
            self._working.add(replace(cohort, arrived=now))
        self._outcome.stored += self._working.work_off(
            seconds=STEP, cores=ready * self._settings.cpu_limit, server=self._server, now=now + STEP
        )
        late = self._working.take_older(now - REQUEST_DEADLINE)
        late += self._waiting.take_older(now - self._settings.timeout)
        for cohort in late:
            self._refuse(cohort, now)
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
            return float(ACTIVATOR_QUEUE)
        return float(QUEUE_PROXY_FACTOR * self._settings.container_concurrency * ready)

    def _refuse(self, cohort: Cohort, now: float) -> None:
        self._outcome.refused += cohort.number
        self._senders.refuse(cohort, now)

    def _decide(self, now: float) -> None:
        decision = self._autoscaler.decide(now - SCRAPE, ready=self._pods.ready(now))
        if decision is not None:
            wanted, self._activator = decision
            self._scale(wanted, now)

    def _scale(self, wanted: int, now: float) -> None:
        self._pods.scale(self._zero.bound(wanted, now), now)

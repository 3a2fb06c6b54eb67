"""The pods of a revision and their order of work, as a fluid: first come, first served, over all pods."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.scale.model import ServerCapacity
    from tests.bench.scale.senders import Cohort

_NOTHING = 1e-9  # of a webhook: what rounding leaves


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

    def work_off(self, *, seconds: float, cores: float, server: ServerCapacity, now: float) -> tuple[float, float]:
        """Finish from the front what the budgets of this step allow; returns signals stored and server seconds."""
        function, api, seats = cores * seconds, server.cores * seconds, server.seats * seconds
        stored = used = 0.0
        while self._cohorts and self._cohorts[0].arrived + self._cohorts[0].work.latency <= now:
            first = self._cohorts[0]
            work = first.work
            part = min(first.number, function / work.function, api / work.server, seats / work.seats)
            if part <= _NOTHING:
                break
            self._split(first, part)
            function, api, seats = function - part * work.function, api - part * work.server, seats - part * work.seats
            stored += part * work.signals
            used += part * work.server
        return stored, used

    def _split(self, first: Cohort, part: float) -> Cohort:
        self.number = max(0.0, self.number - part)
        rest = first.number - part
        if rest > _NOTHING:
            self._cohorts[0] = replace(first, number=rest)
        else:
            self._cohorts.popleft()
        return replace(first, number=part)

"""Alertmanagers: what they send, and when they send it again."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.scale.model import Work

# Alertmanager's exponential backoff without its jitter, until group_interval has passed; then the next flush.
_FIRST_PAUSE = 0.5
_FACTOR = 1.5
_LONGEST_PAUSE = 60.0
GROUP_INTERVAL = 300.0


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

    @property
    def waiting(self) -> float:
        """Webhooks that were refused and not sent again yet."""
        return sum(cohort.number for _, _, cohort in self._again)

    def done(self, now: float) -> bool:
        """Nothing is to be sent any more."""
        return not self._again and all(phase.end <= now for phase in self.phases)

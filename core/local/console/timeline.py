"""How many alerts came and how many RRs they opened, over the last minutes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.local.viewing.rows import Row

STEP_SECONDS = 10
STEPS = 90


@dataclass(slots=True)
class _Step:
    start: int
    alerts: int = 0
    opened: int = 0


class Timeline:
    """Counts in steps of ten seconds, for a quarter of an hour.

    An RR tells when its first and its last alert came, not when those between did. So what is counted before the
    console looked on stands at the time of the last alert.
    """

    def __init__(self) -> None:
        self._steps: deque[_Step] = deque(maxlen=STEPS)

    def count(self, now: float, *, alerts: int, opened: int) -> None:
        """Add at a time, in seconds since 1970; what is older than the window is dropped."""
        start = int(now) // STEP_SECONDS * STEP_SECONDS
        step = next((each for each in self._steps if each.start == start), None)
        if step is None:
            if len(self._steps) == STEPS and start < self._steps[0].start:
                return
            step = _Step(start)
            self._steps = deque(sorted((*self._steps, step), key=lambda each: each.start), maxlen=STEPS)
        step.alerts += alerts
        step.opened += opened

    def look_back(self, row: Row, *, first: float, last: float) -> None:
        """Count an RR that was there before anybody looked: opened at `first`, its other alerts at `last`."""
        self.count(first, alerts=1, opened=1)
        if row.view.occurrences > 1:
            self.count(last, alerts=row.view.occurrences - 1, opened=0)

    def as_object(self) -> dict[str, Any]:
        """Return it for the page."""
        return {"step": STEP_SECONDS, "steps": [[each.start, each.alerts, each.opened] for each in self._steps]}

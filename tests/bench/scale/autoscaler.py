"""Knative's Pod Autoscaler (KPA), as its documentation and configuration describe it.

Every second the concurrency of the revision is written down; every two seconds its averages over the stable and
the panic window, divided by the target, say how many pods are wanted. Scaled to zero, the first request asks at
once.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.scale.manifests import ServiceSettings

TICK = 2.0
SCRAPE = 1.0
MAX_SCALE_UP_RATE = 1000.0
MAX_SCALE_DOWN_RATE = 2.0
SCALE_TO_ZERO_GRACE = 30.0


class Window:
    """Average of one value a second over the last `seconds`; of fewer while fewer are known."""

    def __init__(self, seconds: float) -> None:
        self._seconds = max(1, math.ceil(seconds))
        self._values: deque[tuple[int, float]] = deque()
        self._first = 0
        self._last: int | None = None

    def record(self, second: int, value: float) -> None:
        """Write down the value of a second; seconds must not go back."""
        if self._last is None or second - self._last >= self._seconds:
            self._values.clear()
            self._first = second
        self._last = second
        self._values.append((second, value))

    def average(self, second: int) -> float | None:
        """Return the average now; a second without a value counts as zero.

        None where there was no value for longer than the window: nothing is known then.
        """
        if self._last is None or second - self._last > self._seconds:
            return None
        while self._values and second - self._values[0][0] >= self._seconds:
            self._values.popleft()
        if not self._values:
            return 0.0
        known = min(self._last - self._first + 1, self._seconds - (second - self._last))
        return round(sum(value for _, value in self._values) / known, 6)


class Autoscaler:
    """Decides for one revision. Times are seconds from any start."""

    def __init__(self, settings: ServiceSettings, *, ready: int = 0) -> None:
        self._settings = settings
        self._target = max(0.01, settings.target * settings.utilization)
        self._stable = Window(settings.window)
        self._panic = Window(max(1.0, round(settings.window * settings.panic_window_share)))
        # With more than one pod at its start it knows too little to take any away.
        self._panicking_since: float | None = 0.0 if ready > 1 else None
        self._most_in_panic = ready if ready > 1 else 0

    def record(self, second: int, concurrency: float) -> None:
        """Write down the concurrency of a second, over all pods and activators."""
        self._stable.record(second, concurrency)
        self._panic.record(second, concurrency)

    def decide(self, now: float, *, ready: int) -> tuple[int, bool] | None:
        """Return the decision of a tick, None while nothing is known.

        Pods wanted, before the bounds of min-scale and max-scale; and whether the activator stays in the path, since
        too little is left for a burst.
        """
        stable, panic = self._stable.average(int(now)), self._panic.average(int(now))
        if stable is None:
            return None
        panic = panic or 0.0
        pods = max(1, ready)
        wanted = math.ceil(panic / self._target)
        self._switch(now, over=wanted / pods >= self._settings.panic_threshold)
        count = self._within_rates(math.ceil(stable / self._target), pods)
        if self._panicking_since is not None:
            self._most_in_panic = max(self._most_in_panic, count, self._within_rates(wanted, pods))
            count = self._most_in_panic
        left = ready * self._settings.target - self._settings.target_burst_capacity - panic
        return count, math.floor(left) < 0

    def _switch(self, now: float, *, over: bool) -> None:
        if over:
            self._panicking_since = now
        elif self._panicking_since is not None and now - self._panicking_since > self._settings.window:
            self._panicking_since = None
            self._most_in_panic = 0

    def _within_rates(self, wanted: int, pods: int) -> int:
        return min(max(wanted, math.floor(pods / MAX_SCALE_DOWN_RATE)), math.ceil(MAX_SCALE_UP_RATE * pods))


class ScaleToZero:
    """Keeps the last pod until the revision was idle long enough."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._active_since: float | None = None
        self._inactive_since: float | None = None

    def bound(self, wanted: int, now: float) -> int:
        """Return the pods to run: within min-scale and max-scale, and zero only after the periods of grace."""
        most = self._settings.max_scale or wanted
        count = min(max(wanted, self._settings.min_scale), most)
        if count > 0:
            self._active_since = now if self._active_since is None else self._active_since
            self._inactive_since = None
            return count
        if self._active_since is not None and now - self._active_since < self._settings.window:
            return 1
        if self._inactive_since is None:
            self._inactive_since = now
        kept = max(SCALE_TO_ZERO_GRACE, self._settings.retention)
        if now - self._inactive_since < kept:
            return 1
        self._active_since = None
        return 0

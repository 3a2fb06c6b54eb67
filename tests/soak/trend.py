"""Does a series of samples grow? The judgement, and nothing of how samples are taken.

The first third is warm-up: connections open, caches fill, the allocator takes its arenas. The rest is cut into ten
parts, and a line fitted by least squares through the lowest sample of each: what is in flight goes up and down with
the machine's other work, but what leaked never comes down again. Against the requests answered, not the clock,
because what leaks, leaks by request.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import StatisticsError, linear_regression
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.soak.sampling import Sample

# More than this for each request is growth. Memory: a quarter of the smallest thing that can leak at all, a task with
# its coroutine (1 KiB). Counts: a fiftieth of what a leak at each fault would come to (2 in 100 calls, some a request).
BOUNDS = {"memory": 256.0, "connections": 0.001, "tasks": 0.001, "descriptors": 0.001}
PARTS = 10
FEWEST_SAMPLES = 2 * PARTS


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The line under one series, and what is allowed."""

    name: str
    per_request: float
    bound: float
    before: float
    """The line's value where it begins."""
    after: float
    """The line's value at the end."""
    highest: float

    @property
    def flat(self) -> bool:
        """Whether it grows by no more than the bound."""
        return self.per_request <= self.bound


def trends(samples: Sequence[Sample]) -> list[Trend]:
    """Judge each of the four series.

    Raises:
        ValueError: there are too few samples, or too few requests between them, to say anything.
    """
    later = samples[len(samples) // 3 :]
    if len(later) < FEWEST_SAMPLES:
        message = f"{len(later)} samples after the warm-up are too few, {FEWEST_SAMPLES} are needed: run for longer"
        raise ValueError(message)
    return [_trend(name, bound, later) for name, bound in BOUNDS.items()]


def _trend(name: str, bound: float, samples: Sequence[Sample]) -> Trend:
    size = len(samples) // PARTS
    parts = [samples[index * size : (index + 1) * size] for index in range(PARTS)]
    lowest = [min(part, key=lambda each: float(getattr(each, name))) for part in parts]
    requests = [float(each.requests) for each in lowest]
    values = [float(getattr(each, name)) for each in lowest]
    try:
        line = linear_regression(requests, values)
    except StatisticsError as error:
        message = "no request was answered between the samples, so growth cannot be judged"
        raise ValueError(message) from error
    return Trend(
        name=name,
        per_request=line.slope,
        bound=bound,
        before=line.intercept + line.slope * requests[0],
        after=line.intercept + line.slope * requests[-1],
        highest=max(getattr(each, name) for each in samples),
    )

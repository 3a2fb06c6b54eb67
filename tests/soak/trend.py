"""Does a series of samples grow? The judgement, and nothing of how samples are taken.

The first third is warm-up: connections open, caches fill, the allocator takes its arenas. Over the rest a line
is fitted by least squares against the requests answered, not the clock, because what leaks leaks by request.
A leak of one thing in every request that meets a fault (2 in 100 calls, a handful of calls a request) would
have a slope of some 0.05; the smallest thing that can leak, a task with its coroutine, takes above 1 KiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import StatisticsError, linear_regression, mean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.soak.sampling import Sample

# More than this for each request is growth. Memory: a quarter of the smallest thing that can leak at all.
# Counts: one in a thousand requests, a fiftieth of what one leak for each fault would come to.
BOUNDS = {"memory": 256.0, "connections": 0.001, "tasks": 0.001, "descriptors": 0.001}
FEWEST_SAMPLES = 10


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The line through one series, and what is allowed."""

    name: str
    per_request: float
    bound: float
    before: float
    """The line's value where it begins."""
    after: float
    """The line's value at the end."""
    mean: float
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
    requests = [float(each.requests) for each in samples]
    values = [float(getattr(each, name)) for each in samples]
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
        mean=mean(values),
        highest=max(values),
    )

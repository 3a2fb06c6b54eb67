"""From the calibration to costs of single calls and signals: the model's coefficients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.scale.calibration import Calibration, Memory

FITTED_SIZES = (1_000, 10_000, 100_000)


@dataclass(frozen=True)
class Curve:
    """What a LIST takes by the RRs of its namespace: `base`, and more for each that it looks at.

    Nothing is indexed, so it looks at all; each costs more the more there are, as they fit no cache any more.
    Between the points, which are what it takes beyond `base`, a power law; one point makes a straight line.
    """

    base: float
    points: tuple[tuple[float, float], ...]

    def at(self, rrs: float) -> float:
        """The value beside so many RRs."""
        first, *others = self.points
        if rrs <= first[0] or not others:
            return self.base + first[1] * rrs / first[0]
        low = max((point for point in self.points[:-1] if point[0] <= rrs), default=first)
        high = self.points[self.points.index(low) + 1]
        exponent = math.log(high[1] / low[1]) / math.log(high[0] / low[0])
        return float(self.base + low[1] * (rrs / low[0]) ** exponent)


@dataclass(frozen=True)
class Line:
    """`base + slope * rrs`."""

    base: float
    slope: float

    def at(self, rrs: float) -> float:
        """The value for so many RRs."""
        return self.base + self.slope * rrs


@dataclass(frozen=True, kw_only=True)
class FunctionCosts:
    """Milliseconds of the function's CPU. A signal costs its share of a POST, itself, and what is done for it."""

    post: float
    signal: float
    round: float
    new: float


@dataclass(frozen=True, kw_only=True)
class Costs:
    """All coefficients. Milliseconds, of the API server's CPU unless named otherwise."""

    calls: dict[str, float]
    latency: dict[str, float]
    lists: Curve
    list_latency: Curve
    function: FunctionCosts

    @classmethod
    def of(cls, measured: Calibration) -> Costs:
        """Lay LIST's curve through powers of ten only, so that the other sizes can be held against it.

        Raises ValueError where none of them was measured.
        """
        empty, *others = sorted(measured.lists, key=lambda one: one.rrs)
        fitted = [one for one in others if one.rrs in FITTED_SIZES]
        if not fitted:
            raise ValueError(f"LIST was measured beside none of {FITTED_SIZES} RRs; `--rrs` must name one.")
        calls = dict(measured.calls)
        # A measurement of the protocol's first edition has none; it writes as much as the CREATE does.
        calls.setdefault("update_lease", calls["create_lease"])
        return cls(
            calls={name: cost.server_ms for name, cost in calls.items()},
            latency={name: cost.latency_ms for name, cost in calls.items()},
            lists=Curve(empty.server_ms, tuple((one.rrs, one.server_ms - empty.server_ms) for one in fitted)),
            list_latency=Curve(empty.latency_ms, tuple((one.rrs, one.latency_ms - empty.latency_ms) for one in fitted)),
            function=_function_costs(measured),
        )


def memory_line(memory: Sequence[Memory], name: str, *, fitted_at: Sequence[int] = (0, 10_000)) -> Line:
    """Megabytes by RRs stored."""
    low, high = (next(one for one in memory if one.rrs == number) for number in fitted_at)
    return _line(low.rrs, getattr(low, name), high.rrs, getattr(high, name))


def rounds_of(calls: dict[str, float]) -> float:
    """PATCHes of one signal."""
    return calls.get("PATCH remediationrequests/status", 0.0)


def _function_costs(measured: Calibration) -> FunctionCosts:
    # Four loads, four unknowns; the other loads are left for the check.
    new, repeat = measured.loads["new"], measured.loads["repeat"]
    batched, storm = measured.loads["webhooks of 20 new"], measured.loads["one fingerprint"]
    post = max(0.0, (new.function_ms - batched.function_ms) / (1 - 1 / 20))
    per_round = (repeat.function_ms - storm.function_ms) / (rounds_of(repeat.calls) - rounds_of(storm.calls))
    signal = max(0.0, repeat.function_ms - post - per_round * rounds_of(repeat.calls))
    # The protocol's first edition made a PATCH for each new one too: that is a round's.
    made = new.function_ms - post - signal - per_round * rounds_of(new.calls)
    return FunctionCosts(post=post, signal=signal, round=per_round, new=made)


def _line(x: float, y: float, x2: float, y2: float) -> Line:
    slope = (y2 - y) / (x2 - x)
    return Line(base=y - slope * x, slope=slope)

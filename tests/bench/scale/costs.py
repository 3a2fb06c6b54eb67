"""From the calibration to costs of single calls and signals: the model's coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.scale.calibration import Calibration, ListCost, Memory


@dataclass(frozen=True)
class Line:
    """`base + slope * requests`: nothing is indexed, so a LIST looks at every request of its namespace."""

    base: float
    slope: float

    def at(self, requests: float) -> float:
        """The value beside so many requests."""
        return self.base + self.slope * requests


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
    lists: Line
    list_latency: Line
    function: FunctionCosts

    @classmethod
    def of(cls, measured: Calibration, *, fitted_at: Sequence[int] = (0, 10_000)) -> Costs:
        """Fit LIST's line through two sizes only, so that the others can be held against it."""
        low, high = (_at(measured.lists, number) for number in fitted_at)
        return cls(
            calls={name: cost.server_ms for name, cost in measured.calls.items()},
            latency={name: cost.latency_ms for name, cost in measured.calls.items()},
            lists=_line(low.requests, low.server_ms, high.requests, high.server_ms),
            list_latency=_line(low.requests, low.latency_ms, high.requests, high.latency_ms),
            function=_function_costs(measured),
        )


def memory_line(memory: Sequence[Memory], name: str, *, fitted_at: Sequence[int] = (0, 10_000)) -> Line:
    """Megabytes by requests stored."""
    low, high = (next(one for one in memory if one.requests == number) for number in fitted_at)
    return _line(low.requests, getattr(low, name), high.requests, getattr(high, name))


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
    return FunctionCosts(post=post, signal=signal, round=per_round, new=new.function_ms - post - signal)


def _at(lists: Sequence[ListCost], requests: int) -> ListCost:
    return next(one for one in lists if one.requests == requests)


def _line(x: float, y: float, x2: float, y2: float) -> Line:
    slope = (y2 - y) / (x2 - x)
    return Line(base=y - slope * x, slope=slope)

"""What was measured (calibration.json), and the model's coefficients: costs of single calls and signals from it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Sequence

CALIBRATION = Path(__file__).with_name("calibration.json")
FITTED_SIZES = (1_000, 10_000, 100_000)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one call: milliseconds of the server's CPU, and of waiting alone."""

    count: int
    server_ms: float
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class ListCost:
    """LIST of one fingerprint, `resourceVersion=0`, with so many RRs in the namespace."""

    rrs: int
    server_ms: float
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of the API server (etcd inside) with so many RRs stored: resident, live Go heap, etcd's file."""

    rrs: int
    resident_mb: float
    heap_mb: float
    storage_mb: float


@dataclass(frozen=True, kw_only=True)
class Load:
    """The function under load: costs of one signal, calls of one signal by kind, and signals a second."""

    signals: int
    server_ms: float
    function_ms: float
    per_second: float
    calls: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """One measurement of everything, on one machine."""

    machine: dict[str, str | int | float]
    calls: dict[str, Cost]
    lists: tuple[ListCost, ...]
    other_namespace: ListCost
    """LIST of a nearly empty namespace beside one that holds so many."""
    memory: tuple[Memory, ...]
    seats: dict[str, float]
    """Of our priority level (`nominal`), and of one LIST beside `stored` RRs in the whole cluster (`list`)."""
    loads: dict[str, Load]
    rr_bytes: int
    cold_start_s: float

    def with_sizes_of(self, earlier: Calibration) -> Calibration:
        """Keep what `earlier` measured beside more RRs than this one: filling up takes its time."""
        most = self.lists[-1].rrs
        return replace(
            self,
            lists=self.lists + tuple(one for one in earlier.lists if one.rrs > most),
            memory=max(self.memory, earlier.memory, key=lambda sizes: sizes[-1].rrs),
            other_namespace=max(self.other_namespace, earlier.other_namespace, key=lambda one: one.rrs),
        )

    def write(self, path: Path = CALIBRATION) -> None:
        """Write it as JSON."""
        rounded = json.loads(_FORM.dump_json(self), parse_float=lambda text: round(float(text), 4))
        path.write_text(json.dumps(rounded, indent=2) + "\n")


def read_calibration(path: Path = CALIBRATION) -> Calibration:
    """Read what `write` wrote. Raises ValueError where the file is not of this form."""
    try:
        return _FORM.validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no calibration; `make scale CALIBRATE=1` writes one.") from error


_FORM = TypeAdapter(Calibration)


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


def memory_line(memory: Sequence[Memory], name: str) -> Line:
    """Megabytes by RRs stored, through none and 10,000; through fewer where these were not measured."""
    low, *_, high = sorted((one for one in memory if one.rrs <= 10_000), key=lambda one: one.rrs)
    slope = (getattr(high, name) - getattr(low, name)) / (high.rrs - low.rrs)
    return Line(base=getattr(low, name), slope=slope)


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

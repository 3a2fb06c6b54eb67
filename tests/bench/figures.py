"""What slices add up to, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.load import Slice


@dataclass(frozen=True)
class Side:
    """Ours or the floor, over all slices of a workload. Latencies are milliseconds."""

    per_second: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Row:
    """One workload: `ratio` is the median over pairs of slices that ran one after the other."""

    workload: str
    ours: Side
    floor: Side
    ratio: float
    calls_per_signal: float
    calls: Mapping[str, int]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1]


def side(slices: Sequence[Slice], *, signals: int) -> Side:
    """Sum up slices in which each operation carried `signals` signals."""
    latencies = [latency * 1000 for one in slices for latency in one.latencies]
    return Side(
        per_second=len(latencies) * signals / sum(one.seconds for one in slices),
        p50=percentile(latencies, 0.50),
        p95=percentile(latencies, 0.95),
        p99=percentile(latencies, 0.99),
    )


def ratio(ours: Sequence[Slice], floor: Sequence[Slice], *, signals: int) -> float:
    """Return throughput of ours to the floor's, pair by pair, so that a machine that slows down slows both."""
    pairs = zip(ours, floor, strict=True)
    return median(
        (len(mine.latencies) * signals / mine.seconds) / (len(bare.latencies) / bare.seconds) for mine, bare in pairs
    )


def table(rows: Sequence[Row]) -> Table:
    """Return what a person reads."""
    shown = Table(title="signals per second, beside the bare API calls on the same server in the same run")
    shown.add_column("workload", no_wrap=True)
    for name in ("ours/s", "floor/s", "ratio", "p50 ms", "p95 ms", "p99 ms", "floor p50", "calls/signal"):
        shown.add_column(name, justify="right")
    for row in rows:
        shown.add_row(
            row.workload,
            f"{row.ours.per_second:.0f}",
            f"{row.floor.per_second:.0f}",
            f"{row.ratio:.2f}",
            f"{row.ours.p50:.1f}",
            f"{row.ours.p95:.1f}",
            f"{row.ours.p99:.1f}",
            f"{row.floor.p50:.1f}",
            f"{row.calls_per_signal:.2f}",
        )
    return shown

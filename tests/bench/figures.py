"""What slices add up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.load import Slice
    from tests.bench.measuring import Measured

SHARES = (*(index / 100 for index in range(1, 100)), 0.995, 0.999, 1.0)
BIN_SECONDS = 0.25  # of the throughput over time


@dataclass(frozen=True, kw_only=True)
class Side:
    """Ours or the floor, over all slices of a workload.

    Latencies are milliseconds of an operation: a webhook of ours, a signal of the floor's. `quantiles` are
    those at SHARES; `timeline` is signals a second in each BIN_SECONDS of each slice; `calls` are the API
    server's count for each signal, `cpu` milliseconds for each signal; `refused` is the share of operations
    answered 503, which nothing else counts.
    """

    per_second: float
    p50: float
    p95: float
    p99: float
    quantiles: Sequence[float]
    timeline: Sequence[Sequence[float]]
    calls: Mapping[str, float]
    cpu: Mapping[str, float]
    refused: float = 0.0

    @property
    def calls_per_signal(self) -> float:
        """API calls of all kinds."""
        return sum(self.calls.values())


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case: a workload with so many RRs in the namespace before it, and so many function processes.

    `ratios` are throughput of ours to the floor's in each pair of slices that ran one after the other, `others`
    the share of the machine that other processes took meanwhile. `other` is another gateway under the same load,
    `to_other` throughput of ours to its in each pair, `doubles` its RRs beyond one for each target.
    """

    workload: str
    rrs: int
    processes: int
    ours: Side
    floor: Side
    ratios: Sequence[float]
    others: float
    other: Side | None = None
    to_other: Sequence[float] = field(default_factory=list)
    doubles: int = 0

    @property
    def ratio(self) -> float:
        """The median, so that one slow moment of the machine does not count."""
        return median(self.ratios)

    @property
    def title(self) -> str:
        """The case for people; tells it from all others."""
        return title(self.workload, self.rrs, self.processes)


def title(workload: str, rrs: int, processes: int) -> str:
    """Name a case as tables and reports do."""
    return f"{workload} · {rrs:,} RRs · {processes} process{'es' if processes > 1 else ''}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1]


def side(slices: Sequence[Measured], *, alerts: int) -> Side:
    """Sum up slices in which each operation carried so many alerts."""
    latencies = sorted(latency * 1000 for one in slices for latency in one.slice.latencies)
    signals = len(latencies) * alerts
    return Side(
        per_second=signals / sum(one.slice.seconds for one in slices),
        p50=percentile(latencies, 0.50),
        p95=percentile(latencies, 0.95),
        p99=percentile(latencies, 0.99),
        quantiles=[round(percentile(latencies, share), 3) for share in SHARES],
        timeline=[timeline(one.slice, alerts=alerts) for one in slices],
        calls=_each([one.calls for one in slices], signals=signals),
        cpu=_each([one.cpu for one in slices], signals=signals, scale=1000),
        refused=_refused([one.slice for one in slices]),
    )


def timeline(one: Slice, *, alerts: int) -> list[float]:
    """Return signals a second in each BIN_SECONDS; the last bin is as long as it really was."""
    bins = [0] * (int(one.seconds / BIN_SECONDS) + 1)
    for end in one.ends:
        bins[min(int(end / BIN_SECONDS), len(bins) - 1)] += alerts
    last = one.seconds - (len(bins) - 1) * BIN_SECONDS
    if last < BIN_SECONDS / 2 and len(bins) > 1:  # too short to divide by
        last += BIN_SECONDS
        bins[-2:] = [bins[-2] + bins[-1]]
    lengths = [BIN_SECONDS] * (len(bins) - 1) + [last]
    return [round(number / length, 1) for number, length in zip(bins, lengths, strict=True)]


def ratios(ours: Sequence[Slice], floor: Sequence[Slice], *, alerts: int) -> list[float]:
    """Return throughput of ours to the floor's, pair by pair: a machine that slows down slows both."""
    pairs = zip(ours, floor, strict=True)
    return [_rate(mine) * alerts / _rate(bare) for mine, bare in pairs]


def _rate(one: Slice) -> float:
    return len(one.latencies) / one.seconds


def _refused(slices: Sequence[Slice]) -> float:
    refused = sum(one.refused for one in slices)
    return round(refused / (refused + sum(len(one.latencies) for one in slices)), 4)


def _each(counts: Sequence[Mapping[str, float]], *, signals: int, scale: float = 1) -> dict[str, float]:
    kinds = sorted({kind for one in counts for kind in one})
    return {kind: round(sum(one.get(kind, 0) for one in counts) * scale / signals, 4) for kind in kinds}

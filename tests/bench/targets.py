"""What the figures should be: ratios to the floor of the same run, and absolute numbers on two cores.

A missed target is shown and fails nothing: timings are the machine's as well as ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.workloads import NEW, NEW_ALONE, ONE, REPEAT_ALONE, REPEATS, TWENTY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.bench.cold_start import ColdStart
    from tests.bench.figures import Row

LEAST_RATIO = {NEW.name: 0.70, REPEATS.name: 0.75, ONE.name: 3.0, TWENTY.name: 0.70}
_LEAST_PER_SECOND = {NEW.name: 150.0, REPEATS.name: 330.0, ONE.name: 1200.0}
_MOST_MILLISECONDS = {NEW_ALONE.name: 12.0, REPEAT_ALONE.name: 6.0}
_MOST_OF_BARE_CALLS = 1.6
_MOST_P99 = 5.0  # of p50
_SAME = 1.10
_LARGE = 10_000
_COLD_SECONDS, _COLD_MEGABYTES, _COLD_RATIO = 1.0, 100.0, 1.5


@dataclass(frozen=True, kw_only=True)
class TargetCheck:
    """One target and what was measured; `least` says on which side of the limit it passes."""

    case: str
    figure: str
    measured: float
    limit: float
    least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the target is met."""
        return self.measured >= self.limit if self.least else self.measured <= self.limit


def checks(rows: Sequence[Row], ours: Sequence[ColdStart], hello: Sequence[ColdStart]) -> list[TargetCheck]:
    """Hold all figures of a run against their targets; what was not measured is not checked."""
    found = [check for row in rows for check in _of_row(row)]
    return [*found, *_at_size(rows), *_cold(ours, hello)]


def _of_row(row: Row) -> Iterator[TargetCheck]:
    if row.workload in LEAST_RATIO and row.processes == 1:
        limit = LEAST_RATIO[row.workload]
        yield TargetCheck(
            case=row.title, figure="throughput, of the floor's", measured=row.ratio, limit=limit, least=True
        )
    if row.workload in _MOST_MILLISECONDS:
        measured = row.ours.p50 / row.floor.p50
        yield TargetCheck(
            case=row.title, figure="p50, of the bare calls'", measured=measured, limit=_MOST_OF_BARE_CALLS
        )
    yield TargetCheck(case=row.title, figure="p99, of p50", measured=row.ours.p99 / row.ours.p50, limit=_MOST_P99)
    if row.ours.refused:
        yield TargetCheck(case=row.title, figure="share answered 503", measured=row.ours.refused, limit=0)
    if row.rrs == 0 and row.processes == 1:
        yield from _absolute(row)


def _absolute(row: Row) -> Iterator[TargetCheck]:
    if row.workload in _LEAST_PER_SECOND:
        limit = _LEAST_PER_SECOND[row.workload]
        measured = row.ours.per_second
        yield TargetCheck(case=row.title, figure="signals a second", measured=measured, limit=limit, least=True)
    if row.workload in _MOST_MILLISECONDS:
        limit = _MOST_MILLISECONDS[row.workload]
        yield TargetCheck(case=row.title, figure="p50, ms", measured=row.ours.p50, limit=limit)


def _at_size(rows: Iterable[Row]) -> Iterator[TargetCheck]:
    """Repeats cost the same in a full namespace; new signals at most what the LIST adds to the bare calls."""
    found = {(row.workload, row.rrs): row for row in rows if row.processes == 1}
    for name, most in ((REPEAT_ALONE.name, _flat), (NEW_ALONE.name, _what_list_adds)):
        empty, full = found.get((name, 0)), found.get((name, _LARGE))
        if empty and full:
            limit = most(empty, full)
            figure = f"p50 ms beside {empty.ours.p50:.1f} with no RRs"
            yield TargetCheck(case=full.title, figure=figure, measured=full.ours.p50, limit=limit)


def _flat(empty: Row, full: Row) -> float:
    return empty.ours.p50 * _SAME


def _what_list_adds(empty: Row, full: Row) -> float:
    return (empty.ours.p50 + full.floor.p50 - empty.floor.p50) * _SAME


def _cold(ours: Sequence[ColdStart], hello: Sequence[ColdStart]) -> Iterator[TargetCheck]:
    if ours and hello:
        seconds = median(one.seconds for one in ours)
        bare = median(one.seconds for one in hello)
        megabytes = median(one.megabytes for one in ours)
        case = "cold start"
        yield TargetCheck(case=case, figure="to the first 201, s", measured=seconds, limit=_COLD_SECONDS)
        yield TargetCheck(case=case, figure="of a bare function's", measured=seconds / bare, limit=_COLD_RATIO)
        yield TargetCheck(case=case, figure="resident, MB", measured=megabytes, limit=_COLD_MEGABYTES)

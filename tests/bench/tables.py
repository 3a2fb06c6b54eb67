"""What a person reads in the terminal."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from tests.bench.targets import LEAST_RATIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.cold_start import ColdStart
    from tests.bench.figures import Row, Side
    from tests.bench.targets import TargetCheck

_COLUMNS = ("ours/s", "floor/s", "ratio", "p50 ms", "p95", "p99", "floor p50")
_COSTS = ("calls", "CPU ms", "server ms", "503", "others")


def figures_table(rows: Sequence[Row]) -> Table:
    """Return the figures of all cases; calls and CPU are for each signal, `others` is CPU of other processes."""
    shown = Table(title="signals a second, beside the bare API calls on the same server in the same run")
    shown.add_column("case", overflow="fold")
    for name in _COLUMNS + _COSTS:
        shown.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(row.title, *_figures(row))
    return shown


def other_gateway_table(rows: Sequence[Row]) -> Table:
    """Return ours beside another gateway; `server ms` is the API server's CPU for each signal."""
    shown = Table(title="beside the other gateway: same load, same server, slices in turn")
    shown.add_column("case", overflow="fold")
    for name in ("ours/s", "other/s", "times", "p50 ms", "other's", "server ms", "other's", "calls", "other's"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("other's doubles", justify="right")
    for row in rows:
        if row.other:
            shown.add_row(row.title, *_beside(row, row.other))
    return shown


def targets_table(checks: Sequence[TargetCheck]) -> Table:
    """Return each target with what was measured."""
    passed = sum(check.passed for check in checks)
    shown = Table(title=f"targets: {passed} of {len(checks)} met")
    shown.add_column("")
    shown.add_column("case", overflow="fold")
    shown.add_column("figure", overflow="fold")
    shown.add_column("measured", justify="right")
    shown.add_column("target", justify="right")
    for check in checks:
        mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
        limit = f"{'≥' if check.least else '≤'} {check.limit:,.4g}"
        shown.add_row(mark, check.case, check.figure, f"{check.measured:,.4g}", limit)
    return shown


def cold_line(ours: Sequence[ColdStart], hello: Sequence[ColdStart]) -> str:
    """Return the medians of the cold starts."""
    return f"cold start to the first 201: {_medians(ours)}; a bare function: {_medians(hello)}"


def _medians(starts: Sequence[ColdStart]) -> str:
    seconds = median(start.seconds for start in starts)
    megabytes = median(start.megabytes for start in starts)
    everyone = median(start.all_megabytes for start in starts)
    return f"{seconds:.2f} s, worker {megabytes:.0f} MB, with gunicorn's master {everyone:.0f} MB"


def _figures(row: Row) -> tuple[str, ...]:
    ours, floor = row.ours, row.floor
    return (
        f"{ours.per_second:.0f}",
        f"{floor.per_second:.0f}",
        f"{row.ratio:.2f}{_mark(row)}",
        f"{ours.p50:.1f}",
        f"{ours.p95:.1f}",
        f"{ours.p99:.1f}",
        f"{floor.p50:.1f}",
        f"{ours.calls_per_signal:.2f}",
        f"{ours.cpu.get('function', 0):.2f}",
        f"{ours.cpu.get('API server', 0):.2f}",
        f"{ours.refused:.1%}" if ours.refused else "",
        f"{row.others:.0%}",
    )


def _beside(row: Row, other: Side) -> tuple[str, ...]:
    ours = row.ours
    return (
        f"{ours.per_second:.0f}",
        f"{other.per_second:.0f}",
        f"{median(row.to_other):.2f}",
        f"{ours.p50:.1f}",
        f"{other.p50:.1f}",
        f"{ours.cpu.get('API server', 0):.2f}",
        f"{other.cpu.get('API server', 0):.2f}",
        f"{ours.calls_per_signal:.2f}",
        f"{other.calls_per_signal:.2f}",
        str(row.doubles),
    )


def _mark(row: Row) -> str:
    if row.workload not in LEAST_RATIO or row.processes > 1:
        return ""
    return " [green]✓[/]" if row.ratio >= LEAST_RATIO[row.workload] else " [red]✗[/]"

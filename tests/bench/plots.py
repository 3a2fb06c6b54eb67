"""Plots of one case, as SVG that stands in the report itself."""

from __future__ import annotations

from functools import partial
from math import log10
from typing import TYPE_CHECKING, Any

import pygal

from tests.bench.figures import BIN_SECONDS, SHARES
from tests.support.plots import OPTIONS, line_plot, svg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from markupsafe import Markup

    from tests.bench.figures import Row, Side

_bars = partial(pygal.HorizontalStackedBar, **OPTIONS)


def latencies(row: Row, earlier: Row | None = None) -> Markup:
    """How long operations took, from the quickest to the slowest; beside an earlier run where there is one."""
    chart = line_plot(title="latency of an operation, ms", x_title="percent of operations")
    chart.x_labels = [0, 25, 50, 75, 95, 100]
    sides = list(_sides(row, earlier))
    # Of pygal's own logarithmic scales both axes would be one.
    chart.y_labels = _decades([value for _, side in sides for value in side.quantiles])
    for name, side in sides:
        points = zip(SHARES, side.quantiles, strict=True)
        chart.add(name, [(share * 100, log10(value)) for share, value in points])
    return svg(chart)


def throughput(row: Row, earlier: Row | None = None) -> Markup:
    """Signals a second while the slices ran, one after the other."""
    chart = line_plot(title="signals a second", x_title="seconds of measuring", include_x_axis=True)
    for name, side in _sides(row, earlier):
        chart.add(name, _joined(side.timeline))
    return svg(chart)


def calls(row: Row) -> Markup:
    """API calls for each signal, by kind."""
    return svg(_stacked("API calls for each signal", row.ours.calls, row.floor.calls))


def cpu(row: Row) -> Markup:
    """Milliseconds of CPU for each signal, by process."""
    return svg(_stacked("CPU for each signal, ms", row.ours.cpu, row.floor.cpu))


def overview(rows: Sequence[Row]) -> Markup:
    """Throughput of all cases, to the floor's."""
    options = {**OPTIONS, "width": 1060, "height": 70 + 26 * len(rows), "show_legend": False, "print_values": True}
    chart = pygal.HorizontalBar(**options, title="throughput, of the floor's", formatter=lambda value: f"{value:.2f}")
    chart.x_labels = [row.title for row in reversed(rows)]
    chart.add("ratio", [row.ratio for row in reversed(rows)])
    return svg(chart)


def _sides(row: Row, earlier: Row | None) -> Iterator[tuple[str, Side]]:
    yield "ours", row.ours
    yield "floor", row.floor
    if earlier:
        yield "ours, earlier", earlier.ours


def _decades(values: Sequence[float]) -> list[dict[str, Any]]:
    """Labels 1, 2, 5, 10, 20, … around `values`, at their logarithms."""
    steps = [step * 10.0**power for power in range(-2, 6) for step in (1, 2, 5)]
    first = max(index for index, step in enumerate(steps) if step <= max(min(values), steps[0]))
    last = min(index for index, step in enumerate(steps) if step >= min(max(values), steps[-1]))
    return [{"label": f"{step:g}", "value": log10(step)} for step in steps[first : last + 1]]


def _joined(timeline: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    values = [value for one in timeline for value in one]
    return [(round(index * BIN_SECONDS, 1), value) for index, value in enumerate(values)]


def _stacked(title: str, ours: Mapping[str, float], floor: Mapping[str, float]) -> Any:
    chart = _bars(title=title)
    chart.x_labels = ["floor", "ours"]  # from the bottom
    for kind in sorted({*ours, *floor}):
        chart.add(kind, [floor.get(kind, 0), ours.get(kind, 0)])
    return chart

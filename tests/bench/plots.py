"""Plots of one case, as SVG that stands in the report itself."""

from __future__ import annotations

import sys
from functools import partial
from math import log10
from typing import TYPE_CHECKING, Any

import pygal
from markupsafe import Markup
from pygal.style import Style

from tests.bench.figures import BIN_SECONDS, SHARES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.bench.figures import Row, Side

# pygal's finder of plugins speaks a protocol that Python 3.11 warns of at every import; we have no plugins.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_COLOURS = ("#2563eb", "#9ca3af", "#f59e0b", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d")
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="#374151",
    foreground_strong="#111827",
    foreground_subtle="#9ca3af",
    guide_stroke_color="#d1d5db",
    guide_stroke_dasharray="2,2",
    major_guide_stroke_color="#d1d5db",
    major_guide_stroke_dasharray="2,2",
    colors=_COLOURS,
    font_family="system-ui, sans-serif",
    title_font_size=15,
    label_font_size=11,
    major_label_font_size=11,
    legend_font_size=12,
    value_font_size=11,
    opacity=0.9,
)
_OPTIONS: Mapping[str, Any] = {
    "style": _STYLE,
    "js": [],  # pygal's tooltips would be fetched from elsewhere
    "width": 520,
    "height": 300,
    "disable_xml_declaration": True,
    "legend_at_bottom": True,
    "margin": 8,
    "max_scale": 6,
    "legend_box_size": 10,
    "legend_at_bottom_columns": 2,
    "truncate_legend": -1,
}
_line = partial(pygal.XY, **{**_OPTIONS, "legend_at_bottom_columns": 3}, show_dots=False, stroke_style={"width": 2})
_bars = partial(pygal.HorizontalStackedBar, **_OPTIONS)


def latencies(row: Row, earlier: Row | None = None) -> Markup:
    """How long operations took, from the quickest to the slowest; beside an earlier run where there is one."""
    chart = _line(title="latency of an operation, ms", x_title="percent of operations")
    chart.x_labels = [0, 25, 50, 75, 95, 100]
    sides = list(_sides(row, earlier))
    # Of pygal's own logarithmic scales both axes would be one.
    chart.y_labels = _decades([value for _, side in sides for value in side.quantiles])
    for name, side in sides:
        points = zip(SHARES, side.quantiles, strict=True)
        chart.add(name, [(share * 100, log10(value)) for share, value in points])
    return _svg(chart)


def throughput(row: Row, earlier: Row | None = None) -> Markup:
    """Signals a second while the slices ran, one after the other."""
    chart = _line(title="signals a second", x_title="seconds of measuring", include_x_axis=True)
    for name, side in _sides(row, earlier):
        chart.add(name, _joined(side.timeline))
    return _svg(chart)


def calls(row: Row) -> Markup:
    """API calls for each signal, by kind."""
    return _svg(_stacked("API calls for each signal", row.ours.calls, row.floor.calls))


def cpu(row: Row) -> Markup:
    """Milliseconds of CPU for each signal, by process."""
    return _svg(_stacked("CPU for each signal, ms", row.ours.cpu, row.floor.cpu))


def overview(rows: Sequence[Row]) -> Markup:
    """Throughput of all cases, to the floor's."""
    options = {**_OPTIONS, "width": 1060, "height": 70 + 26 * len(rows), "show_legend": False, "print_values": True}
    chart = pygal.HorizontalBar(**options, title="throughput, of the floor's", formatter=lambda value: f"{value:.2f}")
    chart.x_labels = [row.title for row in reversed(rows)]
    chart.add("ratio", [row.ratio for row in reversed(rows)])
    return _svg(chart)


def _sides(row: Row, earlier: Row | None) -> Iterator[tuple[str, Side]]:
    yield "ours", row.ours
    yield "floor", row.floor
    if earlier:
        yield "ours, earlier", earlier.ours


def _decades(values: Sequence[float]) -> list[dict[str, Any]]:
    """Labels 1, 2, 5, 10, 20, … around `values`, at their logarithms."""
    steps = [step * 10.0**power for power in range(-2, 6) for step in (1, 2, 5)]
    first = max(place for place, step in enumerate(steps) if step <= max(min(values), steps[0]))
    last = min(place for place, step in enumerate(steps) if step >= min(max(values), steps[-1]))
    return [{"label": f"{step:g}", "value": log10(step)} for step in steps[first : last + 1]]


def _joined(timeline: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    values = [value for one in timeline for value in one]
    return [(round(place * BIN_SECONDS, 1), value) for place, value in enumerate(values)]


def _stacked(title: str, ours: Mapping[str, float], floor: Mapping[str, float]) -> Any:
    chart = _bars(title=title)
    chart.x_labels = ["floor", "ours"]  # from the bottom
    for kind in sorted({*ours, *floor}):
        chart.add(kind, [floor.get(kind, 0), ours.get(kind, 0)])
    return chart


def _svg(chart: Any) -> Markup:
    chart.add_xml_filter(_without_scripts)
    return Markup(chart.render(is_unicode=True))  # pygal has escaped what is text


def _without_scripts(root: Any) -> Any:
    """Leave out the settings of the tooltips that nobody loads."""
    for parent in list(root.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    return root

"""What a soak found: a table, a JSON file for machines and a page with the plot for people."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING

from rich.table import Table

from tests.support.plots import line_plot, svg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.soak.sampling import Sample
    from tests.soak.trend import Trend

_TITLES = {
    "memory": "resident memory, MB",
    "connections": "TCP connections",
    "tasks": "asyncio tasks",
    "descriptors": "file descriptors",
}
_MEGABYTE = 1e6


@dataclass(frozen=True, kw_only=True)
class Result:
    """All that one soak found. `problems` are sentences; empty: nothing grew and every promise held."""

    minutes: float
    rate: float
    seed: int
    samples: Sequence[Sample]
    trends: Sequence[Trend]
    statuses: Mapping[str, int]
    faults: Mapping[str, int]
    idle: Sample
    """Before the first request."""
    quiet: Sample
    """After the last one, with nothing under way."""
    rrs_stored: int
    problems: Sequence[str]


def table(result: Result) -> Table:
    """The trends, for the terminal."""
    shown = Table(title=f"{result.minutes:g} minutes, {result.samples[-1].requests} requests, seed {result.seed}")
    for heading in ("", "begin", "end", "highest", "growth per 1,000 requests", "allowed", "result"):
        shown.add_column(heading, justify="left" if not heading else "right")
    for trend in result.trends:
        shown.add_row(*_cells(trend))
    return shown


def write(result: Result, folder: Path) -> Path:
    """Write soak.json and soak.html into `folder`; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    (folder / "soak.json").write_text(json.dumps({"machine": machine, **asdict(result)}, indent=1))
    page = folder / "soak.html"
    page.write_text(_page(result))
    return page


def plots(result: Result) -> str:
    """The four series with their fitted lines, as SVG."""
    return "".join(_plot(result, trend) for trend in result.trends)


def _plot(result: Result, trend: Trend) -> str:
    scale = _MEGABYTE if trend.name == "memory" else 1.0
    minutes = [each.seconds / 60 for each in result.samples]
    values = [getattr(each, trend.name) / scale for each in result.samples]
    chart = line_plot(title=_TITLES[trend.name], x_title="minutes", width=960, height=240, include_x_axis=True)
    chart.add("measured", list(zip(minutes, values, strict=True)))
    fitted = (minutes[len(minutes) // 3], trend.before / scale), (minutes[-1], trend.after / scale)
    chart.add("trend", fitted, stroke_style={"width": 2, "dasharray": "6,4"})
    return svg(chart)


def _page(result: Result) -> str:
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(each))}</tr>" for each in result.trends)
    problems = "".join(f"<li>{escape(each)}</li>" for each in result.problems)
    conclusion = f"<ul>{problems}</ul>" if problems else "<p>Nothing grew, and every promise held.</p>"
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Soak of {result.minutes:g} minutes</title>
<style>body{{font:15px sans-serif;max-width:64em;margin:2em auto}}td,th{{padding:.2em 1em;text-align:right}}</style>
<h1>Soak of {result.minutes:g} minutes</h1>
<p>{result.samples[-1].requests} requests at {result.rate:g} a second, seed {result.seed};
{result.rrs_stored} RemediationRequests. Warm-up is the first third; the dashed line is the trend after it.</p>
{conclusion}
<table><tr><th></th><th>begin</th><th>end</th><th>highest</th><th>growth per 1,000 requests</th><th>allowed</th>
<th>result</th></tr>{rows}</table>
{plots(result)}
<h2>Answers</h2>{_counts(result.statuses)}
<h2>Faults injected into calls</h2>{_counts(result.faults)}
</html>
"""


def _counts(counts: Mapping[str, int]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{number}</td></tr>" for name, number in sorted(counts.items()))
    return f"<table>{rows}</table>"


def _cells(trend: Trend) -> tuple[str, ...]:
    scale = _MEGABYTE if trend.name == "memory" else 1.0
    return (
        _TITLES[trend.name],
        f"{trend.before / scale:.1f}",
        f"{trend.after / scale:.1f}",
        f"{trend.highest / scale:.1f}",
        f"{trend.per_request * 1000 / scale:+.3f}",
        f"{trend.bound * 1000 / scale:.3f}",
        "flat" if trend.flat else "GROWS",
    )

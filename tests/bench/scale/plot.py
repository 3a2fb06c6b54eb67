"""The bursts over time, as a page of its own: SVG inside HTML, nothing to fetch."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.bench.scale.burst import Outcome, Sample

_WIDTH, _HEIGHT, _LEFT = 860.0, 120.0, 70.0
_CURVES: tuple[tuple[str, Callable[[Sample], float], Callable[[Sample], float] | None], ...] = (
    ("pods ready (line), wanted (dashed)", lambda sample: sample.ready, lambda sample: sample.wanted),
    ("webhooks waiting (line), in the function (dashed)", lambda sample: sample.waiting, lambda sample: sample.working),
    ("503 answers a second", lambda sample: sample.refused, None),
    ("signals stored a second", lambda sample: sample.stored, None),
)


def page(outcomes: Iterable[tuple[str, Outcome]]) -> str:
    """Return the page."""
    parts = "".join(f"<h2>{escape(name)}</h2>{_graphs(outcome)}" for name, outcome in outcomes)
    style = "body{font:14px sans-serif;margin:2em}figcaption{margin-top:1em}svg{background:#f7f7f7}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sluice in a burst</title>'
        f"<style>{style}</style><h1>Sluice in a burst</h1>{parts}</html>\n"
    )


def _graphs(outcome: Outcome) -> str:
    samples = outcome.samples[: int(outcome.all_stored_at or len(outcome.samples)) + 30]
    return "".join(
        f"<figure><figcaption>{escape(title)}</figcaption>{_graph(samples, line, dashed)}</figure>"
        for title, line, dashed in _CURVES
    )


def _graph(samples: Sequence[Sample], line: Callable[[Sample], float], dashed: Callable[[Sample], float] | None) -> str:
    curves = [line] if dashed is None else [line, dashed]
    top = max(1.0, *(curve(sample) for sample in samples for curve in curves))
    styles = ("", ' stroke-dasharray="4 3"')
    drawn = "".join(
        f'<polyline fill="none" stroke="#1f5fa8"{style} points="{_points(samples, curve, top)}"/>'
        for curve, style in zip(curves, styles, strict=False)
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH + _LEFT:.0f} {_HEIGHT + 24:.0f}" width="{_WIDTH + _LEFT:.0f}">'
        f'<text x="4" y="14">{top:,.0f}</text><text x="4" y="{_HEIGHT:.0f}">0</text>{drawn}'
        f'<text x="{_LEFT:.0f}" y="{_HEIGHT + 18:.0f}">0 s</text>'
        f'<text x="{_WIDTH:.0f}" y="{_HEIGHT + 18:.0f}">{len(samples)} s</text></svg>'
    )


def _points(samples: Sequence[Sample], curve: Callable[[Sample], float], top: float) -> str:
    step = _WIDTH / max(1, len(samples) - 1)
    return " ".join(
        f"{_LEFT + place * step:.1f},{_HEIGHT - curve(sample) / top * (_HEIGHT - 4):.1f}"
        for place, sample in enumerate(samples)
    )

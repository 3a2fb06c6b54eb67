"""Plots as SVG that stands in a page itself: no scripts, nothing fetched."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pygal
from markupsafe import Markup
from pygal.style import Style

if TYPE_CHECKING:
    from collections.abc import Mapping

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
OPTIONS: Mapping[str, Any] = {
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


def line_plot(**options: Any) -> Any:
    """An empty plot of lines through points (x, y); `options` are pygal's."""
    defaults = {"legend_at_bottom_columns": 3, "show_dots": False, "stroke_style": {"width": 2}}
    return pygal.XY(**{**OPTIONS, **defaults, **options})


def svg(chart: Any) -> Markup:
    """Draw the plot."""
    chart.add_xml_filter(_without_scripts)
    return Markup(chart.render(is_unicode=True))  # pygal has escaped what is text


def _without_scripts(root: Any) -> Any:
    """Leave out the settings of the tooltips that nobody loads."""
    for parent in list(root.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    return root

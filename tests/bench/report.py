"""The HTML report: one file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tests.bench import plots
from tests.bench.comparison import change
from tests.bench.profiling.flame_graph import flame_graph
from tests.bench.profiling.groups import GROUPS
from tests.bench.profiling.tables import why_missing
from tests.bench.targets import checks

if TYPE_CHECKING:
    from tests.bench.document import Document


def write_report(path: Path, document: Document, earlier: Document | None = None) -> None:
    """Write what `document` found out, beside an earlier run where there is one."""
    path.write_text(render(document, earlier), encoding="utf-8")


def render(document: Document, earlier: Document | None = None) -> str:
    """Return the report as HTML."""
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("report.html.jinja").render(
        machine=document.machine,
        rows=document.rows,
        cold=list(zip(document.cold, document.hello, strict=True)),
        checks=checks(document.rows, document.cold, document.hello),
        earlier={row.title: row for row in earlier.rows} if earlier else {},
        profiles=document.profiles,
        groups=GROUPS,
        why_missing=why_missing(document.profiles),
        flame_graph=flame_graph,
        plots=plots,
        change=change,
    )

"""Tables as docs/scale.md has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def markdown(table: Table) -> str:
    """Return a table of texts, its title before it and its caption after it."""
    titles = [str(column.header) for column in table.columns]
    rows = zip(*(map(str, column.cells) for column in table.columns), strict=True)
    marks = ["---", *["---:"] * (len(titles) - 1)]
    lines = [f"| {' | '.join(cells)} |" for cells in (titles, marks, *rows)]
    caption = f"\n\n{table.caption}" if table.caption else ""
    return f"**{table.title}**\n\n" + "\n".join(lines) + f"{caption}\n"

"""This run beside an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.figures import Row

_ENOUGH_PAIRS = 3


def comparison(rows: Sequence[Row], earlier: Sequence[Row]) -> Table:
    """Return ratios, calls and CPU then and now; throughput alone would compare how busy the machine was."""
    then = {row.title: row for row in earlier}
    shown = Table(title="beside the earlier run")
    shown.add_column("case", overflow="fold")
    for name in ("ratio then", "now", "change", "calls then", "now", "CPU ms then", "now"):
        shown.add_column(name, justify="right")
    for row in rows:
        if row.title in then:
            shown.add_row(row.title, *_change(row, then[row.title]))
    return shown


def change(now: Row, then: Row) -> str:
    """Say by how much the ratio to the floor moved, or that it is noise: too few pairs, or pairs that overlap."""
    moved = f"{now.ratio / then.ratio - 1:+.0%}"
    apart = min(now.ratios) > max(then.ratios) or max(now.ratios) < min(then.ratios)
    enough = min(len(now.ratios), len(then.ratios)) >= _ENOUGH_PAIRS
    return moved if apart and enough else f"{moved} (noise)"


def _change(now: Row, then: Row) -> tuple[str, ...]:
    calls = f"{then.ours.calls_per_signal:.2f}", f"{now.ours.calls_per_signal:.2f}"
    cpu = f"{then.ours.cpu.get('function', 0):.2f}", f"{now.ours.cpu.get('function', 0):.2f}"
    return f"{then.ratio:.2f}", f"{now.ratio:.2f}", change(now, then), *calls, *cpu

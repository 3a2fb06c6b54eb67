"""This run beside an earlier one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.figures import Row


def read_earlier(path: Path) -> dict[str, Any]:
    """Return the workloads of an earlier run by name. Raises ValueError where the file holds none."""
    try:
        document = json.loads(path.read_text())
        return {workload["workload"]: workload for workload in document["workloads"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no figures of an earlier run; name a file that `--json` wrote.") from error


def comparison(rows: Sequence[Row], earlier: dict[str, Any]) -> Table:
    """Return ratios and calls then and now; throughput alone would compare how busy the machine was."""
    shown = Table(title="beside the earlier run")
    shown.add_column("workload", no_wrap=True)
    for name in ("ratio then", "now", "change", "calls then", "now"):
        shown.add_column(name, justify="right")
    for row in rows:
        if row.workload in earlier:
            shown.add_row(row.workload, *_change(row, earlier[row.workload]))
    return shown


def _change(row: Row, then: dict[str, Any]) -> tuple[str, ...]:
    change = row.ratio / then["ratio"] - 1
    calls = f"{then['calls_per_signal']:.2f}", f"{row.calls_per_signal:.2f}"
    return f"{then['ratio']:.2f}", f"{row.ratio:.2f}", f"{change:+.0%}", *calls

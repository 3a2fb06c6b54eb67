"""Many seeds on all cores, and what they met."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

from tests.simulation.workers import worker_pool
from tests.simulation.world import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

_CHUNK = 10
_MILESTONE = 1000  # where there is no bar to look at


@dataclass(frozen=True, slots=True)
class Line:
    """What one seed met."""

    seed: int
    world: str
    violation: str
    true_seconds: float
    interleaving: str
    faults: Counter[str]
    states: Counter[str]


@dataclass(slots=True)
class Summary:
    """What all seeds met; `failed` are those that broke a promise."""

    seeds: int = 0
    failed: list[Line] = field(default_factory=list)
    true_seconds: float = 0.0
    worlds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    interleavings: set[str] = field(default_factory=set)

    def add(self, line: Line) -> None:
        """Take one seed in."""
        self.seeds += 1
        self.worlds[line.world] += 1
        self.true_seconds += line.true_seconds
        self.faults += line.faults
        self.states += line.states
        self.interleavings.add(line.interleaving)
        if line.violation:
            self.failed.append(line)


def line_of(seed: int) -> Line:
    """Run one seed."""
    outcome = run(seed)
    trace = outcome.trace
    return Line(
        seed,
        outcome.scenario.world,
        outcome.violation,
        outcome.true_seconds,
        trace.interleaving,
        trace.faults,
        trace.states,
    )


def campaign(seeds: range, *, jobs: int, console: Console) -> Summary:
    """Run seeds, with a progress bar where the console is a terminal."""
    summary = Summary()
    started = time.monotonic()
    with _progress(console) as progress:
        bar = progress.add_task("seeds", total=len(seeds))
        for line in _lines(seeds, jobs):
            summary.add(line)
            progress.advance(bar)
            if not console.is_terminal and summary.seeds % _MILESTONE == 0:
                console.out(f"{summary.seeds} of {len(seeds)} seeds after {time.monotonic() - started:.0f} s")
            if line.violation:
                progress.console.out(f"seed {line.seed}: {line.violation}\n  make simulate SEED={line.seed}")
    console.print(tables(summary, seconds=time.monotonic() - started, jobs=jobs))
    return summary


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)


def _lines(seeds: Iterable[int], jobs: int) -> Iterator[Line]:
    if jobs == 1:
        yield from map(line_of, seeds)
        return
    with worker_pool(jobs) as pool:
        yield from pool.imap_unordered(line_of, seeds, chunksize=_CHUNK)


def tables(summary: Summary, *, seconds: float, jobs: int) -> Table:
    """Return the summary as one table of figures, faults and states."""
    outer = Table.grid(padding=(0, 3))
    outer.add_row(
        _figures(summary, seconds, jobs), _counted("fault", summary.faults), _counted("state", summary.states)
    )
    return outer


def _figures(summary: Summary, seconds: float, jobs: int) -> Table:
    table = Table(Column("", no_wrap=True), Column("figure", no_wrap=True, justify="right"))
    days = summary.true_seconds / 86_400
    for name, figure in (
        ("seeds", f"{summary.seeds:,}"),
        ("broken promises", str(len(summary.failed))),
        ("distinct interleavings", f"{len(summary.interleavings):,}"),
        *((f"world {name}", f"{count:,}") for name, count in summary.worlds.most_common()),
        ("simulated time", f"{days:.1f} days"),
        ("duration", f"{seconds:.0f} s on {jobs} cores"),
        ("a seed", f"{1000 * seconds * jobs / max(1, summary.seeds):.0f} ms"),
    ):
        table.add_row(name, figure)
    return table


def _counted(title: str, counts: Counter[str]) -> Table:
    table = Table(Column(title, no_wrap=True), Column("times", no_wrap=True, justify="right"))
    for name, count in counts.most_common():
        table.add_row(name, f"{count:,}")
    return table


def cores() -> int:
    """Return how many processes this machine runs at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

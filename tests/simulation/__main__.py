"""`make simulate`: many seeds, or one again; `make simulate-mutations`: how soon each mistake is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from core.local.shell import new_console
from tests.simulation.campaign import campaign, cores
from tests.simulation.cut import cut_down, replay_line, rerun
from tests.simulation.mutants import measure
from tests.simulation.world import run

if TYPE_CHECKING:
    from rich.console import Console

    from tests.simulation.world import Outcome


def main(
    seeds: Annotated[int, typer.Option(help="how many seeds to run")] = 1000,
    first: Annotated[int, typer.Option(help="the first of them")] = 0,
    jobs: Annotated[int, typer.Option(help="processes; 0: one for each core")] = 0,
    seed: Annotated[int, typer.Option(help="run this one and show what happens")] = -1,
    only: Annotated[str, typer.Option(help="with --seed: events and faults to keep, by key, with commas")] = "",
    *,
    mutations: Annotated[bool, typer.Option("--mutations", help="measure how many seeds find each mistake")] = False,
) -> None:
    """Run the simulation; exit with 1 where a promise was broken."""
    console = new_console()
    if mutations:
        raise typer.Exit(0 if measure(seeds, jobs=jobs or cores(), console=console) else 1)
    if seed >= 0:
        outcome = rerun(seed, only.split(",")) if only else run(seed)
        raise typer.Exit(_show(console, outcome))
    summary = campaign(range(first, first + seeds), jobs=jobs or cores(), console=console)
    if summary.failed:
        _show(console, run(min(line.seed for line in summary.failed)))
    raise typer.Exit(1 if summary.failed else 0)


def _show(console: Console, outcome: Outcome) -> int:
    """Print a run; one that broke a promise is cut down first."""
    if not outcome.violation:
        console.out(str(outcome.trace))
        console.out(f"every promise held: {outcome.scenario}")
        return 0
    least = cut_down(outcome)
    console.out(str(least.trace))
    console.out(f"{least.scenario}\n{least.violation}\n{replay_line(least)}")
    return 1


if __name__ == "__main__":
    typer.run(main)

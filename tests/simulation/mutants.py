"""Runs the simulation on the protocol with a mistake in it, and counts the seeds until it is found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from tests.simulation.mutating import Mutation, applied
from tests.simulation.mutations import MUTATIONS
from tests.simulation.workers import worker_pool
from tests.simulation.world import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Found:
    """How a mutation was found: the first seed that does, -1 for none, and what it broke."""

    mutation: Mutation
    seed: int
    violation: str


def find(mutation: Mutation, seeds: Iterable[int]) -> Found:
    """Run seeds until one breaks a promise."""
    with applied(mutation):
        for seed in seeds:
            violation = run(seed).violation
            if violation:
                return Found(mutation, seed, violation)
    return Found(mutation, -1, "")


def measure(seeds: int, *, jobs: int, console: Console) -> bool:
    """Find every mutation from seed 0 on, print the table, and tell whether none survived."""
    table = Table("mutation", "seeds until found", "found by")
    survived = 0
    with worker_pool(jobs) as pool:
        for found in pool.imap(partial(_find, seeds), range(len(MUTATIONS))):
            survived += found.seed < 0
            count = f"not in {seeds}" if found.seed < 0 else str(found.seed + 1)
            table.add_row(found.mutation.name, count, escape(found.violation[:90]))
            console.out(f"{found.mutation.name}: {count}")
    console.print(table)
    return not survived


def _find(seeds: int, index: int) -> Found:
    return find(MUTATIONS[index], range(seeds))

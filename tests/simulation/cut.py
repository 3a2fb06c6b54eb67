"""Cuts a failing run down to what it needs to fail (delta debugging: Zeller, Hildebrandt 2002)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.world import Outcome, run

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True, slots=True)
class AllBut:
    """Leaves out everything but these keys."""

    only: frozenset[str]

    def __contains__(self, key: object) -> bool:
        return key not in self.only


def rerun(seed: int, only: Collection[str]) -> Outcome:
    """Run a seed with these events, stops and faults only."""
    return run(seed, without=AllBut(frozenset(only)))


def cut_down(failed: Outcome) -> Outcome:
    """Return the smallest run found that breaks the same promise: no part of it can be left out."""
    seed, promise = failed.scenario.seed, failed.promise

    def still_fails(only: Sequence[str]) -> Outcome | None:
        outcome = rerun(seed, only)
        return outcome if outcome.promise == promise else None

    only, best, parts = list(failed.trace.used), failed, 2
    while only:
        size = -(-len(only) // parts)
        for start in range(0, len(only), size):
            fewer = only[:start] + only[start + size :]
            outcome = still_fails(fewer)
            if outcome:
                only, best, parts = [key for key in fewer if key in outcome.trace.used], outcome, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(only), 2 * parts)
    return best


def replay_line(outcome: Outcome) -> str:
    """Return the command that shows this run again."""
    return f"make simulate SEED={outcome.scenario.seed} ONLY={','.join(outcome.trace.used)}"

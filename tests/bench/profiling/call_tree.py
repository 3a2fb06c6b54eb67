"""Who called whom, and how often it was seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEAST_SHARE = 0.005
"""Of all samples: what was seen more rarely is left out."""


@dataclass(frozen=True)
class Call:
    """A function as called from one place: in so many samples it, or one that it called, was at work."""

    name: str
    samples: int
    calls: Sequence[Call] = ()

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """Read what JSON made of one."""
        return cls(found["name"], found["samples"], tuple(cls.of(call) for call in found["calls"]))


def call_tree(stacks: Iterable[tuple[Sequence[str], int]]) -> Call:
    """Return stacks, outermost name first, as one tree, without what they all begin with.

    How the process was started is the same in all of them, and would be most of the tree.
    """
    every = [(tuple(names), samples) for names, samples in stacks]
    all_samples = sum(samples for _, samples in every)
    tree = _call("all", every, least=max(1, all_samples * LEAST_SHARE))
    while len(tree.calls) == 1 and tree.calls[0].samples == tree.samples:
        tree = tree.calls[0]
    return Call("all", tree.samples, tree.calls)


def _call(name: str, stacks: Sequence[tuple[tuple[str, ...], int]], *, least: float) -> Call:
    called: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    for names, samples in stacks:
        if names:
            called.setdefault(names[0], []).append((names[1:], samples))
    calls = (_call(callee, below, least=least) for callee, below in sorted(called.items()))
    kept = tuple(call for call in calls if call.samples >= least)
    return Call(name, sum(samples for _, samples in stacks), kept)

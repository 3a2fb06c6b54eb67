"""What the stacks of a recording add up to."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.bench.profiling.call_tree import call_tree
from tests.bench.profiling.groups import group_of
from tests.bench.profiling.raw import parse_raw

TOP = 15


def summed_up(text: str) -> dict[str, Any]:
    """Return the fields of a Profile that a recording in py-spy's raw format gives."""
    groups: Counter[str] = Counter()
    own: Counter[str] = Counter()
    stacks: Counter[tuple[str, ...]] = Counter()
    for stack in parse_raw(text):
        groups[group_of(stack)] += stack.samples
        own[stack.frames[-1].name] += stack.samples
        stacks[tuple(frame.name for frame in stack.frames)] += stack.samples
    samples = groups.total()
    return {
        "samples": samples,
        "groups": {name: round(count / samples, 4) for name, count in groups.most_common()},
        "top": tuple((name, round(count / samples, 4)) for name, count in own.most_common(TOP)),
        "tree": call_tree(stacks.items()),
    }

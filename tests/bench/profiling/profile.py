"""What a profile found out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.bench.profiling.call_tree import Call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The function under one load.

    `cpu` is milliseconds of its CPU for each signal, measured before anything traced it, and `others` the share of
    the machine that other processes took meanwhile. The rest is of slices under py-spy: `groups` are shares of its
    `samples` by group of modules, `top` shares by the function that was at work itself, `tree` who called whom.
    `missing` is a sentence where py-spy could not run.
    """

    name: str
    cpu: float
    others: float
    samples: int = 0
    groups: Mapping[str, float] = field(default_factory=dict)
    top: Sequence[tuple[str, float]] = ()
    tree: Call = field(default_factory=lambda: Call("all", 0))
    missing: str = ""

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """Read what JSON made of one."""
        top = tuple((name, share) for name, share in found["top"])
        return cls(**found | {"top": top, "tree": Call.of(found["tree"])})

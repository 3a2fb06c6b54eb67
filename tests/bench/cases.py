"""Which cases a run measures: workloads, sizes of the namespace, function processes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from tests.bench.figures import title
from tests.bench.workloads import (
    NEW,
    NEW_ALONE,
    ONE,
    REPEAT_ALONE,
    REPEATS,
    STORM,
    WITH_DEFAULTS,
    WORKLOADS,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALL = WORKLOADS + WITH_DEFAULTS
RRS = (0, 1_000, 10_000)
PROCESSES = (1, 2, 4)


@dataclass(frozen=True)
class Case:
    """One workload, with `rrs` others in the namespace and the function in `processes`."""

    workload: Workload
    rrs: int = 0
    processes: int = 1

    @property
    def title(self) -> str:
        """For people."""
        return title(self.workload.name, self.rrs, self.processes)


def default_cases() -> list[Case]:
    """All workloads at rest; at size those that a LIST could slow down; in many processes those that spread."""
    sized = product((NEW, REPEATS, NEW_ALONE, REPEAT_ALONE), RRS[1:])
    spread = product((NEW, REPEATS, ONE, STORM), PROCESSES[1:])
    cases = [Case(workload) for workload in ALL]
    cases += [Case(workload, rrs=rrs) for workload, rrs in sized]
    return cases + [Case(workload, processes=processes) for workload, processes in spread]


def all_cases() -> list[Case]:
    """The cross product."""
    return [Case(*one) for one in product(ALL, RRS, PROCESSES)]


def wanted(name: str, *, only: Sequence[str]) -> bool:
    """Tell whether a name contains one of `only`; where there is none, every name is wanted."""
    return not only or any(part in name for part in only)


def selected(cases: Iterable[Case], *, only: Sequence[str]) -> list[Case]:
    """Keep the workloads whose name contains one of `only`, ordered so that the namespace is filled once a size."""
    kept = [case for case in cases if wanted(case.workload.name, only=only)]
    return sorted(kept, key=lambda case: (case.rrs, case.processes))

"""What is profiled: a function, its settings and its load."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from tests.bench.cases import wanted
from tests.bench.gateway import posted
from tests.bench.owned_pods import pod_names
from tests.bench.profiling.events import incident_message, kubernetes_event
from tests.bench.workloads import NEW, ONE, REPEATS, Workload, repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tests.bench.workloads import Webhooks
    from tests.support.cloud_events import Sent

_OWNERS = {"SLUICE_OWNERS": "resolve"}
MEASURED = 2
"""Slices without py-spy: CPU for each signal differs by a fifth from slice to slice of new ones."""

_SLICE, _RECORDED = 160, 2  # of new signals with owners, which cost three objects each
# One slice more, for the warm-up.
_NEW_PODS, _KNOWN_PODS = pod_names("new", count=_SLICE * (1 + MEASURED + _RECORDED)), pod_names("known", count=50)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One function under one load.

    Args:
        workload: what is sent; its `known` targets exist before.
        slices: of the workload, to be recorded one after the other.
        function: its name, which is its file's too.
        environment: settings besides those that every benchmark has.
        request: carries the alerts or the event on the targets of one webhook.
        answers: codes that an answer may have.
        pods: targets that must exist in the cluster, with owners.
    """

    workload: Workload
    slices: int
    function: str = "alertmanager"
    environment: Mapping[str, str] = field(default_factory=dict)
    request: Callable[[Sequence[str]], Sent] = posted
    answers: frozenset[int] = frozenset({201, 202})
    pods: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return self.workload.name

    def draw(self, slices: int) -> Webhooks:
        """Make the webhooks of so many slices."""
        return tuple(webhook for _ in range(slices) for webhook in self.workload.draw())


def subjects() -> list[Subject]:
    """Make them anew: the pods of a load of new signals can be used up once."""
    of_events = partial(Subject, slices=2, answers=frozenset({200}))
    return [
        Subject(workload=NEW, slices=2),
        Subject(workload=REPEATS, slices=2),
        Subject(workload=ONE, slices=3),
        Subject(workload=_new_owned(), slices=_RECORDED, environment=_OWNERS, pods=_NEW_PODS),
        Subject(workload=_repeats_owned(), slices=2, environment=_OWNERS, pods=_KNOWN_PODS),
        of_events(workload=_named(NEW, "Events"), function="kubernetes_event", request=kubernetes_event),
        of_events(workload=_named(NEW, "Pub/Sub messages"), function="pubsub", request=incident_message),
    ]


def selected_subjects(loads: Iterable[Subject], *, only: Sequence[str]) -> list[Subject]:
    """Keep those whose name contains one of `only`, or all."""
    return [subject for subject in loads if wanted(subject.name, only=only)]


def _named(workload: Workload, name: str) -> Workload:
    return replace(workload, name=f"{name}: {workload.name}")


def _new_owned() -> Workload:
    return replace(_named(NEW, "owners resolved"), draw=partial(_taken, iter(_NEW_PODS), webhooks=_SLICE))


def _repeats_owned() -> Workload:
    draw = partial(repeats, _KNOWN_PODS, webhooks=500)
    return replace(_named(REPEATS, "owners resolved"), draw=draw, known=_KNOWN_PODS)


def _taken(pods: Iterator[str], *, webhooks: int) -> Webhooks:
    return tuple((next(pods),) for _ in range(webhooks))

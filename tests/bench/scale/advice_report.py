"""The tables of `make scale` that say what to set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench.scale.advice import advise, calls_at_once, late_after
from tests.bench.scale.burst import REQUEST_DEADLINE
from tests.bench.scale.flow_control import shipped_level
from tests.bench.scale.model import Mix, Work
from tests.bench.scale.report import Table
from tests.bench.scale.scenarios import FLOOD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.bench.scale.costs import Costs
    from tests.bench.scale.manifests import ServiceSettings


@dataclass(frozen=True)
class Place:
    """A rate, and an API server that might be there for it."""

    mix: Mix
    cores: float
    replicas: int


PLACES = (
    Place(Mix(per_second=10, stored=1_000, active=500), cores=2, replicas=1),
    Place(Mix(per_second=1_000, stored=20_000, active=5_000), cores=12, replicas=3),
    Place(Mix(per_second=100_000, stored=100_000, active=50_000), cores=48, replicas=3),
    Place(Mix(per_second=100_000, stored=100_000, active=50_000, joins=50), cores=48, replicas=3),
)


def advice_table(costs: Costs) -> Table:
    """Settings for each rate."""
    names = "namespaces", "concurrency", "target", "min", "max-scale", "MAX_CONCURRENT", "cores needed", "takes/s"
    shown = Table("settings that follow (of each namespace's Service)", ("signals/s", *names))
    for place in PLACES:
        advice = advise(place.mix, costs, cores=place.cores, replicas=place.replicas)
        joined = f", {place.mix.joins:.0f} repeats a round" if place.mix.joins > 1 else ""
        shown.add(
            f"{place.mix.per_second:,.0f} on {place.cores:.0f} cores{joined}",
            str(advice.namespaces),
            str(advice.container_concurrency),
            str(advice.target),
            str(advice.min_scale),
            str(advice.max_scale),
            str(advice.max_concurrent),
            f"{advice.needed_cores:,.1f}",
            f"{advice.taken_per_second:,.0f}",
        )
    return shown


def shipped_table(costs: Costs, services: Iterable[tuple[str, ServiceSettings]]) -> Table:
    """What the manifests' limits come to when all instances are full of webhooks of 20."""
    names = "service", "webhooks at once", "last after s", "calls at once", "room"
    shown = Table("the shipped limits, all full", names)
    level = shipped_level()
    for name, service in services:
        work = Work.of(replace(FLOOD, instances=service.max_scale), costs)
        shown.add(
            name,
            str(service.max_scale * service.container_concurrency),
            f"{late_after(service, work, cores=2.0):.0f}",
            f"{calls_at_once(service):,}",
            f"{level.seats + level.most_waiting} a server",
        )
    shown.caption = f"an API server of two cores; the function answers after {REQUEST_DEADLINE:.0f} s at the latest"
    return shown

"""Settings that follow from the model, and what the shipped ones come to beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench.scale.burst import REQUEST_DEADLINE
from tests.bench.scale.flow_control import shipped_level
from tests.bench.scale.model import REMEMBERED, UTILIZATION, Mix, Work, demand

if TYPE_CHECKING:
    from tests.bench.scale.costs import Costs
    from tests.bench.scale.manifests import ServiceSettings

STORED_PER_NAMESPACE = 10_000
"""There a LIST costs the API server as much as the rest of a new signal does; at 100,000 it is nearly all of it."""
_SHARE_OF_DEADLINE = 0.5  # what is in flight is to be done in, so that a slow moment makes nobody late
_MOST_CONCURRENT = 80


@dataclass(frozen=True, kw_only=True)
class Advice:
    """For one rate. `per_second` is what an API server of `cores` can take of it, all namespaces together."""

    namespaces: int
    container_concurrency: int
    target: int
    min_scale: int
    max_scale: int
    max_concurrent: int
    needed_cores: float
    taken_per_second: float


def advise(mix: Mix, costs: Costs, *, cores: float, replicas: int = 1) -> Advice:
    """Return the settings of each namespace's Service for `mix`, before an API server of `cores`.

    Args:
        mix: `stored` and `active` of all namespaces together.
        cores: of all replicas of the API server, that Sluice may use.
        replicas: of the API server; each has seats of its own.
    """
    namespaces = max(1, math.ceil(max(mix.stored / STORED_PER_NAMESPACE, mix.active / REMEMBERED)))
    shard = replace(mix, stored=mix.stored / namespaces, active=mix.active / namespaces, shards=namespaces)
    needed = demand(shard, costs)
    taken = min(mix.per_second, mix.per_second * cores * UTILIZATION / needed.server_cores)
    # More instances than the API server can feed only make its queue longer.
    useful = max(1, math.ceil(needed.instances_per_shard * taken / mix.per_second))
    work = Work.of(shard, costs)
    concurrency = _concurrency(work, pods=useful * namespaces, cores=cores)
    seats = (shipped_level().seats + shipped_level().most_waiting) * replicas
    return Advice(
        namespaces=namespaces,
        container_concurrency=concurrency,
        target=max(1, concurrency // 2),
        min_scale=min(2, useful) if mix.per_second > 100 else 0,
        max_scale=2 * useful,
        max_concurrent=max(1, min(100, seats // (2 * useful * namespaces))),
        needed_cores=needed.server_cores,
        taken_per_second=taken,
    )


def advised(service: ServiceSettings, advice: Advice) -> ServiceSettings:
    """A Service with the settings advised."""
    return replace(
        service,
        container_concurrency=advice.container_concurrency,
        target=float(advice.target),
        min_scale=advice.min_scale,
        max_scale=advice.max_scale,
    )


def late_after(service: ServiceSettings, work: Work, *, cores: float) -> float:
    """Seconds until the last of as many webhooks is answered as all instances take at once."""
    pods = service.max_scale
    in_flight = pods * service.container_concurrency
    return max(in_flight * work.server / cores, service.container_concurrency * work.function / service.cpu_limit)


def calls_at_once(service: ServiceSettings, *, max_concurrent: int = 100) -> int:
    """Fingerprints that all instances work on at once: so many calls may wait at the API server."""
    return service.max_scale * max_concurrent


def _concurrency(work: Work, *, pods: int, cores: float) -> int:
    seconds = REQUEST_DEADLINE * _SHARE_OF_DEADLINE
    by_function = seconds / work.function
    by_server = seconds * cores / work.server / (2 * pods)  # max-scale is twice the instances needed
    return max(1, min(_MOST_CONCURRENT, math.floor(min(by_function, by_server))))

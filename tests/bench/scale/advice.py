"""Settings that follow from the model, what the shipped ones come to, and the bursts that both are tried in."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench.scale.burst import REQUEST_DEADLINE, Burst, Outcome, Phase
from tests.bench.scale.manifests import shipped_level
from tests.bench.scale.model import REMEMBERED, UTILIZATION, Mix, ServerCapacity, Work, demand

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.scale.costs import Calibration, Costs
    from tests.bench.scale.manifests import ServiceSettings

STORED_PER_NAMESPACE = 10_000
"""There a LIST costs the API server as much as the rest of a new signal does; at 100,000 it is nearly all of it."""
_SHARE_OF_DEADLINE = 0.5  # what is in flight is to be done in, so that a slow moment makes nobody late
_MOST_CONCURRENT = 80
# Not measured here: scheduling, the container's start and its first successful probe, image present on the node.
POD_OVERHEAD = 1.5
FLOOD = Mix(per_second=10_000, alerts=20, new=0.05, stored=1_000, active=5_000)


@dataclass(frozen=True, kw_only=True)
class Advice:
    """For one rate; `taken_per_second` is what the API server can take of it, all namespaces together."""

    namespaces: int
    concurrency: int
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
    room = shipped_level().room * replicas
    return Advice(
        namespaces=namespaces,
        concurrency=concurrency,
        target=max(1, concurrency // 2),
        min_scale=min(2, useful) if mix.per_second > 100 else 0,
        max_scale=2 * useful,
        max_concurrent=max(1, min(100, room // (2 * useful * namespaces))),
        needed_cores=needed.server_cores,
        taken_per_second=taken,
    )


def late_after(service: ServiceSettings, work: Work, *, cores: float) -> float:
    """Seconds until the last of as many webhooks is answered as all instances take at once."""
    in_flight = service.max_scale * service.container_concurrency
    return max(in_flight * work.server / cores, service.container_concurrency * work.function / service.cpu_limit)


def calls_at_once(service: ServiceSettings, *, max_concurrent: int = 100) -> int:
    """Fingerprints that all instances work on at once: so many calls may wait at the API server."""
    return service.max_scale * max_concurrent


def _concurrency(work: Work, *, pods: int, cores: float) -> int:
    seconds = REQUEST_DEADLINE * _SHARE_OF_DEADLINE
    by_function = seconds / work.function
    by_server = seconds * cores / work.server / (2 * pods)  # max-scale is twice the instances needed
    return max(1, min(_MOST_CONCURRENT, math.floor(min(by_function, by_server))))


def bursts(measured: Calibration, costs: Costs, services: dict[str, ServiceSettings]) -> Iterator[tuple[str, Outcome]]:
    """Simulate both bursts on the shipped manifests, before the API server measured and before a bigger one.

    Each flood also with the settings advised for it.
    """
    base, production = services["base"], services["production"]
    cores, warm = float(measured.machine["cores"]), production.min_scale

    def run(
        service: ServiceSettings, phases: Sequence[Phase], *, bigger: bool = False, ready: int = 0, seconds: int = 900
    ) -> Outcome:
        server = ServerCapacity(
            cores=8 * cores if bigger else cores, seats=shipped_level().seats * (3 if bigger else 1)
        )
        starts_in = POD_OVERHEAD + measured.cold_start_s
        return Burst(service, phases, server=server, starts_in=starts_in, ready=ready).run(seconds)

    yield "node failure, base", run(base, node_failure(costs))
    yield "node failure, production", run(production, node_failure(costs), ready=warm)
    yield "flood, base", run(base, flood(costs, instances=base.max_scale), seconds=3_000)
    name, service = _advised(base, costs, cores=cores)
    yield name, run(service, flood(costs, instances=service.max_scale), seconds=3_000)
    phases = flood(costs, instances=production.max_scale)
    yield "flood, production, 8 x the server", run(production, phases, bigger=True, ready=warm)
    name, service = _advised(production, costs, cores=8 * cores, replicas=3)
    yield name, run(service, flood(costs, instances=service.max_scale), bigger=True, ready=warm, seconds=3_000)


def _advised(service: ServiceSettings, costs: Costs, *, cores: float, replicas: int = 1) -> tuple[str, ServiceSettings]:
    advice = advise(FLOOD, costs, cores=cores, replicas=replicas)
    name = f"... with {advice.concurrency} at once in {advice.max_scale} pods at most"
    settings = replace(
        service,
        container_concurrency=advice.concurrency,
        target=float(advice.target),
        min_scale=advice.min_scale,
        max_scale=advice.max_scale,
    )
    return name, settings


def node_failure(costs: Costs) -> list[Phase]:
    """300 workloads of a node, each alert sent five times by two Alertmanagers in groups of ten."""
    mix = Mix(per_second=300, alerts=10, instances=10, stored=1_000)
    new, repeat = Work.of(replace(mix, new=0.5), costs), Work.of(replace(mix, new=0.0), costs)
    first = [Phase(start=0.0, end=2.0, webhooks=60, work=new)]
    return first + [Phase(start=at, end=at + 2.0, webhooks=60, work=repeat) for at in (10.0, 20.0, 30.0, 40.0)]


def flood(costs: Costs, *, instances: int) -> list[Phase]:
    """10,000 alerts a second for 30 s in webhooks of 20, one in twenty a new problem."""
    work = Work.of(replace(FLOOD, instances=instances), costs)
    return [Phase(start=0.0, end=30.0, webhooks=FLOOD.per_second / FLOOD.alerts * 30, work=work)]

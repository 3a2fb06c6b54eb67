"""The model: from a mix of signals to calls, CPU, instances, seats and etcd writes, and to the work of one webhook."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench.scale.flow_control import PriorityLevel, shipped_level

if TYPE_CHECKING:
    from tests.bench.scale.costs import Costs

WRITES = ("create_lease", "create_rr", "update_lease", "patch_status", "delete_lease")
AFTERWARDS = ("delete_lease",)
"""A minute after the answer (core.protocol.lock.DONE_LEASE_SECONDS): load, but nobody waits for it."""
CALLS_OF_A_NEW = 4
UTILIZATION = 0.7  # of a core, for queues to stay short
REMEMBERED = 10_000  # SLUICE_MEMORY_RRS


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What arrives, and where it is stored.

    Args:
        per_second: signals, of all shards.
        new: share of the signals that make an RR.
        alerts: signals of one webhook.
        joins: repeats of one fingerprint that one round of one instance adds up; 1: they never meet.
        instances: of one shard, over which Knative spreads the repeats of one fingerprint evenly; 0: as many as
            the CPU needs.
        stale: share of the repeats that another instance counted last; None: all but one in `instances`.
        active: fingerprints of one shard whose RRs are active and repeated; what memory cannot hold is read.
        lookups: GETs of owners for one signal, after the owner cache.
        stored: RRs of one shard.
        shards: namespaces, each with a Service of its own.
        object_bytes: of one RR.
    """

    per_second: float
    new: float = 0.05
    alerts: float = 5.0
    joins: float = 1.0
    instances: int = 0
    stale: float | None = None
    active: float = 1_000.0
    lookups: float = 0.0
    stored: float = 1_000.0
    shards: int = 1
    object_bytes: float = 3_000.0


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a mix asks for, of all shards together unless named otherwise; calls are a second."""

    calls: dict[str, float]
    server_cores: float
    function_cores: float
    instances_per_shard: int
    latency_ms: float
    seats: float
    writes: float

    @property
    def all_calls(self) -> float:
        """Calls a second."""
        return sum(self.calls.values())


def demand(mix: Mix, costs: Costs, *, level: PriorityLevel | None = None) -> Demand:
    """Return what `mix` needs.

    Repeats of one fingerprint come to all instances of its shard in turn, so what an instance remembers is as
    old as the others are many: the more instances, the more calls a repeat costs, which may need more instances.
    """
    if mix.instances:
        return _demand(mix, costs, level or shipped_level())
    count = 1
    while True:
        found = _demand(replace(mix, instances=count), costs, level or shipped_level())
        if found.instances_per_shard <= count:
            return found
        count = found.instances_per_shard


def calls_per_signal(mix: Mix) -> dict[str, float]:
    """Calls of an average signal, by kind."""
    rounds = (1 - mix.new) / mix.joins
    # Somebody else counted last: the PATCH is refused, one GET, the PATCH again.
    stale = 1 - 1 / max(1, mix.instances) if mix.stale is None else mix.stale
    forgotten = max(0.0, 1 - REMEMBERED / mix.active)
    remembered = rounds * (1 - forgotten)
    return {
        "list_rrs": mix.new + rounds * forgotten,
        "create_lease": mix.new,
        "create_rr": mix.new,
        "update_lease": mix.new,
        "patch_status": rounds + remembered * stale,
        "delete_lease": mix.new,
        "get_rr": remembered * stale,
        "get_owner": mix.lookups,
    }


def calls_before_the_answer(mix: Mix) -> float:
    """Calls of an average signal, without those that nobody waits for."""
    return sum(number for kind, number in calls_per_signal(mix).items() if kind not in AFTERWARDS)


def _demand(mix: Mix, costs: Costs, level: PriorityLevel) -> Demand:
    calls = {kind: number * mix.per_second for kind, number in calls_per_signal(mix).items()}
    server = {kind: costs.calls.get(kind, costs.lists.at(mix.stored)) for kind in calls}
    waits = {kind: costs.latency.get(kind, costs.list_latency.at(mix.stored)) for kind in calls}
    wide = level.list_seats(stored_in_cluster=mix.stored * mix.shards, object_bytes=mix.object_bytes)
    function_cores = mix.per_second * function_ms_per_signal(mix, costs) / 1000
    return Demand(
        calls=calls,
        server_cores=sum(calls[kind] * server[kind] for kind in calls) / 1000,
        function_cores=function_cores,
        instances_per_shard=max(1, math.ceil(function_cores / mix.shards / UTILIZATION)),
        latency_ms=_latency(mix, costs),
        seats=sum(calls[kind] * waits[kind] * (wide if kind == "list_rrs" else 1) for kind in calls) / 1000,
        writes=sum(calls[kind] for kind in WRITES),
    )


def function_ms_per_signal(mix: Mix, costs: Costs) -> float:
    """CPU of the function for an average signal; other calls than those of a new one cost as much as a round's."""
    function, calls = costs.function, calls_per_signal(mix)
    rounds = (1 - mix.new) / mix.joins
    least = mix.new * CALLS_OF_A_NEW + rounds
    further = sum(calls.values()) - least
    return function.post / mix.alerts + function.signal + mix.new * function.new + (rounds + further) * function.round


def _latency(mix: Mix, costs: Costs) -> float:
    """Of a webhook on idle machines: its alerts run side by side, so the longest chain of calls."""
    wait = costs.latency
    new = costs.list_latency.at(mix.stored) + wait["create_lease"] + wait["create_rr"] + wait["update_lease"]
    any_new: float = 1 - (1 - mix.new) ** mix.alerts
    cpu = function_ms_per_signal(mix, costs) * mix.alerts
    return any_new * new + (1 - any_new) * wait["patch_status"] + mix.lookups * wait["get_owner"] + cpu


@dataclass(frozen=True, kw_only=True)
class Work:
    """Of one webhook: signals in it; seconds of CPU in the function and the server, of a seat, and of waiting."""

    signals: float
    function: float
    server: float
    seats: float
    latency: float

    @classmethod
    def of(cls, mix: Mix, costs: Costs) -> Work:
        """What an average webhook of `mix` takes."""
        needed = demand(mix, costs)
        webhooks = mix.per_second / mix.alerts
        return cls(
            signals=mix.alerts,
            function=function_ms_per_signal(mix, costs) * mix.alerts / 1000,
            server=needed.server_cores / webhooks,
            seats=needed.seats / webhooks,
            latency=needed.latency_ms / 1000,
        )


@dataclass(frozen=True, kw_only=True)
class ServerCapacity:
    """What the API server gives to Sluice."""

    cores: float
    seats: float

    @classmethod
    def shipped(cls, *, cores: float, replicas: int = 1) -> ServerCapacity:
        """`cores` of all replicas, and the seats of the shipped priority level."""
        return cls(cores=cores, seats=shipped_level().seats * replicas)

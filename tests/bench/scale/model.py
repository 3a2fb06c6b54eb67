"""The model: from a mix of signals to calls, CPU, instances, seats, etcd writes and one webhook's work; its checks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench.scale.costs import FITTED_SIZES, memory_line, rounds_of
from tests.bench.scale.manifests import shipped_level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.scale.costs import Calibration, Costs, Load

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
    stored: float = 1_000.0
    shards: int = 1
    object_bytes: float = 3_000.0


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a mix asks for, of all shards together unless named otherwise; calls are a second."""

    calls: float
    server_cores: float
    function_cores: float
    instances_per_shard: int
    latency_ms: float
    seats: float
    writes: float


def demand(mix: Mix, costs: Costs) -> Demand:
    """Return what `mix` needs.

    Repeats of one fingerprint come to all instances of its shard in turn, so what an instance remembers is as
    old as the others are many: the more instances, the more calls a repeat costs, which may need more instances.
    """
    if mix.instances:
        return _demand(mix, costs)
    count = 1
    while True:
        found = _demand(replace(mix, instances=count), costs)
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
    }


def calls_before_the_answer(mix: Mix) -> float:
    """Calls of an average signal, without those that nobody waits for."""
    return sum(number for kind, number in calls_per_signal(mix).items() if kind not in AFTERWARDS)


def _demand(mix: Mix, costs: Costs) -> Demand:
    calls = {kind: number * mix.per_second for kind, number in calls_per_signal(mix).items()}
    server = {kind: costs.calls.get(kind, costs.lists.at(mix.stored)) for kind in calls}
    waits = {kind: costs.latency.get(kind, costs.list_latency.at(mix.stored)) for kind in calls}
    wide = shipped_level().list_seats(stored_in_cluster=mix.stored * mix.shards, object_bytes=mix.object_bytes)
    function_cores = mix.per_second * function_ms_per_signal(mix, costs) / 1000
    return Demand(
        calls=sum(calls.values()),
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
    return any_new * new + (1 - any_new) * wait["patch_status"] + cpu


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


_KINDS = {
    "LIST remediationrequests": "list_rrs",
    "POST leases": "create_lease",
    "POST remediationrequests": "create_rr",
    "PUT leases": "update_lease",
    "PATCH remediationrequests/status": "patch_status",
    "DELETE leases": "delete_lease",
    "GET remediationrequests": "get_rr",
}
_FITTED_LOADS = ("new", "repeat", "one fingerprint", "webhooks of 20 new")


@dataclass(frozen=True)
class Check:
    """One figure: as the model has it and as it was measured."""

    name: str
    unit: str
    model: float
    measured: float

    @property
    def error(self) -> float:
        """Of the model, as a share of what was measured."""
        return self.model / self.measured - 1


def checks(measured: Calibration, costs: Costs) -> list[Check]:
    """All that can be held against the measurement."""
    parts = _lists(measured, costs), _memory(measured), _calls(measured), _seats(measured), _loads(measured, costs)
    return [check for part in parts for check in part]


def _calls(measured: Calibration) -> Iterator[Check]:
    mixes = {
        "new": Mix(per_second=1, new=1.0, instances=1),
        "repeat": Mix(per_second=1, new=0.0, instances=1),
        "repeat, two instances in turn": Mix(per_second=1, new=0.0, instances=1, stale=1.0),
        "mixed: webhooks of 5, 1 new": Mix(per_second=1, new=0.2, instances=1),
    }
    # The protocol's first edition counted each new RR by a PATCH; a measurement of it has them.
    patches_of_a_new = rounds_of(measured.loads["new"].calls)
    for name, mix in mixes.items():
        counted = sum(measured.loads[name].calls.values()) - mix.new * patches_of_a_new
        yield Check(f"calls, {name}", "a signal", calls_before_the_answer(mix), counted)


def _seats(measured: Calibration) -> Iterator[Check]:
    level, seats = shipped_level(), measured.seats
    yield Check("seats of the shipped priority level", "seats", level.seats, seats["nominal"])
    model = level.list_seats(stored_in_cluster=seats["stored"], object_bytes=measured.rr_bytes)
    yield Check(f"seats of a LIST, {seats['stored']:,.0f} stored", "seats", model, seats["list"])


def _lists(measured: Calibration, costs: Costs) -> Iterator[Check]:
    for cost in measured.lists:
        if cost.rrs not in (0, *FITTED_SIZES):
            yield Check(f"LIST beside {cost.rrs:,}", "ms CPU", costs.lists.at(cost.rrs), cost.server_ms)
    elsewhere = measured.other_namespace
    name = f"LIST of an empty namespace, {elsewhere.rrs:,} in another"
    yield Check(name, "ms CPU", costs.lists.at(0), elsewhere.server_ms)


def _memory(measured: Calibration) -> Iterator[Check]:
    for held in measured.memory:
        if held.rrs > 10_000:
            for name, title in (("heap_mb", "live heap"), ("storage_mb", "etcd's file")):
                line = memory_line(measured.memory, name)
                yield Check(f"{title} with {held.rrs:,}", "MB", line.at(held.rrs), getattr(held, name))


def _loads(measured: Calibration, costs: Costs) -> Iterator[Check]:
    for name, load in measured.loads.items():
        yield Check(f"server, {name}", "ms CPU/signal", _server_ms(load, costs), load.server_ms)
        if name not in _FITTED_LOADS:
            yield Check(f"function, {name}", "ms CPU/signal", _function_ms(name, load, costs), load.function_ms)


def _server_ms(load: Load, costs: Costs) -> float:
    """The calls that the server counted, each at the price of a bare one."""
    prices = costs.calls | {"list_rrs": costs.lists.at(0)}
    return sum(number * prices[_KINDS[kind]] for kind, number in load.calls.items() if kind in _KINDS)


def _function_ms(name: str, load: Load, costs: Costs) -> float:
    """By the signals of a webhook, which its name tells, and the rounds that were made."""
    function = costs.function
    alerts = 20 if "of 20" in name else 5 if "of 5" in name else 1
    new = load.calls.get("POST remediationrequests", 0.0)
    reads = load.calls.get("GET remediationrequests", 0.0)
    rounds = rounds_of(load.calls) + reads
    return function.post / alerts + function.signal + new * function.new + rounds * function.round

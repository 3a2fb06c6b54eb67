"""The tables of `make scale`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.bench.scale.advice import FLOOD, advise, calls_at_once, late_after
from tests.bench.scale.burst import REQUEST_DEADLINE
from tests.bench.scale.costs import memory_line
from tests.bench.scale.manifests import shipped_level
from tests.bench.scale.model import Mix, Work, calls_per_signal, demand

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.bench.scale.burst import Outcome
    from tests.bench.scale.costs import Calibration, Cost, Costs, ListCost
    from tests.bench.scale.manifests import ServiceSettings
    from tests.bench.scale.model import Check

RATES = (10, 1_000, 100_000)
# A rate, the cores of an API server that might be there for it, and its replicas.
SITES = (
    (Mix(per_second=10, stored=1_000, active=500), 2, 1),
    (Mix(per_second=1_000, stored=20_000, active=5_000), 12, 3),
    (Mix(per_second=100_000, stored=100_000, active=50_000), 48, 3),
    (Mix(per_second=100_000, stored=100_000, active=50_000, joins=50), 48, 3),
)


def table(title: str, columns: str, rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """A table as docs/scale.md has it: its title before it and its caption after it. `columns` are split at bars."""
    marks = ["---", *["---:"] * columns.count("|")]
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in (columns.split("|"), marks, *rows)]
    return f"**{title}**\n\n" + "\n".join(lines) + (f"\n\n{caption}\n" if caption else "\n")


def cost_table(measured: Calibration) -> str:
    """What one call costs."""
    calls: list[tuple[str, Cost | ListCost]] = [
        (name.replace("_", " ").replace("rr", "RR"), cost) for name, cost in measured.calls.items()
    ]
    lists = [(f"LIST beside {cost.rrs:,}", cost) for cost in measured.lists]
    rows = [(name, f"{cost.server_ms:.2f}", f"{cost.latency_ms:.1f}") for name, cost in (*calls, *lists)]
    return table("measured: one API call", "call|server ms CPU|ms alone", rows)


def load_table(measured: Calibration) -> str:
    """What one signal costs."""
    rows = [
        (
            name,
            f"{load.server_ms:.2f}",
            f"{load.function_ms:.2f}",
            f"{sum(load.calls.values()):.2f}",
            f"{load.per_second:.0f}",
        )
        for name, load in measured.loads.items()
    ]
    return table("measured: one signal", "load|server ms CPU|function ms CPU|calls|signals/s", rows)


def check_table(checks: Iterable[Check]) -> str:
    """The model beside what was measured."""
    rows = [(one.name, one.unit, f"{one.model:.2f}", f"{one.measured:.2f}", f"{one.error:+.0%}") for one in checks]
    return table("checked against", "figure|unit|model|measured|error", rows)


def memory_table(measured: Calibration) -> str:
    """What stored RRs take."""
    rows = [
        (f"{held.rrs:,}", f"{held.resident_mb:.0f}", f"{held.heap_mb:.0f}", f"{held.storage_mb:.0f}")
        for held in measured.memory
    ]
    heap, stored = (memory_line(measured.memory, name).slope * 1000 for name in ("heap_mb", "storage_mb"))
    caption = f"of an RR of {measured.rr_bytes:,} bytes: {heap:.1f} kB of heap, {stored:.1f} kB of file"
    return table("measured: memory, API server with etcd", "RRs|resident MB|heap MB|file MB", rows, caption)


def demand_table(rate: int, costs: Costs, *, object_bytes: float) -> str:
    """What a rate asks for, by where it is stored and how it is counted."""
    plain = Mix(per_second=rate, object_bytes=object_bytes)
    mixes = {
        "one namespace": plain,
        "... 100,000 stored, 50,000 active": replace(plain, stored=100_000, active=50_000),
        "... in 16 namespaces": replace(plain, stored=6_250, active=3_125, shards=16),
        "... and 10 repeats in each round": replace(plain, stored=6_250, active=3_125, shards=16, joins=10),
    }
    columns = "mix|calls/s|calls/signal|server cores|function cores|instances|seats|etcd writes/s|ms"
    rows = [(name, *_demand_cells(mix, costs)) for name, mix in mixes.items()]
    caption = f"one kube-apiserver gives the shipped priority level {shipped_level().seats} seats"
    return table(f"{rate:,} signals a second, 5 % new, webhooks of 5", columns, rows, caption)


def _demand_cells(mix: Mix, costs: Costs) -> Sequence[str]:
    needed = demand(mix, costs)
    shards = f"{mix.shards} x " if mix.shards > 1 else ""
    return (
        f"{needed.calls:,.0f}",
        f"{needed.calls / mix.per_second:.2f}",
        f"{needed.server_cores:,.2f}",
        f"{needed.function_cores:,.2f}",
        f"{shards}{needed.instances_per_shard}",
        f"{needed.seats:,.1f}",
        f"{needed.writes:,.0f}",
        f"{needed.latency_ms:.0f}",
    )


def instance_table(costs: Costs) -> str:
    """What it costs that Knative sends a repeat to any instance."""
    mixes = [Mix(per_second=1000, new=0.0, instances=instances) for instances in (1, 2, 5, 10, 50)]
    rows = [
        (mix.instances, f"{sum(calls_per_signal(mix).values()):.2f}", f"{demand(mix, costs).server_cores:.2f}")
        for mix in mixes
    ]
    columns = "instances|calls/repeat|server ms CPU"
    return table("repeats of one fingerprint, spread over instances", columns, rows)


def advice_table(costs: Costs) -> str:
    """Settings for each rate."""
    rows: list[Sequence[object]] = []
    for mix, cores, replicas in SITES:
        advice = advise(mix, costs, cores=cores, replicas=replicas)
        joined = f", {mix.joins:.0f} repeats a round" if mix.joins > 1 else ""
        settings = advice.namespaces, advice.concurrency, advice.target, advice.min_scale, advice.max_scale
        figures = advice.max_concurrent, f"{advice.needed_cores:,.1f}", f"{advice.taken_per_second:,.0f}"
        rows.append((f"{mix.per_second:,.0f} on {cores} cores{joined}", *settings, *figures))
    columns = "signals/s|namespaces|concurrency|target|min|max-scale|MAX_CONCURRENT|cores needed|takes/s"
    return table("settings that follow (of each namespace's Service)", columns, rows)


def shipped_table(costs: Costs, services: dict[str, ServiceSettings]) -> str:
    """What the manifests' limits come to when all instances are full of webhooks of 20."""
    rows = [
        (
            name,
            service.max_scale * service.container_concurrency,
            f"{late_after(service, Work.of(replace(FLOOD, instances=service.max_scale), costs), cores=2.0):.0f}",
            f"{calls_at_once(service):,}",
            f"{shipped_level().room} a server",
        )
        for name, service in services.items()
    ]
    caption = f"an API server of two cores; the function answers after {REQUEST_DEADLINE:.0f} s at the latest"
    return table(
        "the shipped limits, all full", "service|webhooks at once|last after s|calls at once|room", rows, caption
    )


def burst_table(outcomes: Iterable[tuple[str, Outcome]]) -> str:
    """How the bursts went."""
    rows = [
        (
            name,
            f"{outcome.sent:,.0f}",
            _seconds(outcome.all_stored_at),
            f"{outcome.refused:,.0f}",
            f"{outcome.most_waiting:,.0f}",
            outcome.most_ready,
            _seconds(outcome.to_zero_at),
        )
        for name, outcome in outcomes
    ]
    columns = "burst|signals|stored after s|503s|most waiting|most pods|at zero after s"
    return table("bursts, simulated with Knative's algorithm", columns, rows)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"

"""The tables of `make scale`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.bench.scale.costs import memory_line
from tests.bench.scale.flow_control import shipped_level
from tests.bench.scale.model import Demand, Mix, calls_per_signal, demand
from tests.bench.scale.scenarios import RATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.bench.scale.burst import Outcome
    from tests.bench.scale.calibration import Calibration
    from tests.bench.scale.checks import Check
    from tests.bench.scale.costs import Costs


@dataclass
class Table:
    """Rows of text, as docs/scale.md has them: its title before it and its caption after it."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    caption: str = ""

    def add(self, *cells: str) -> None:
        """Add a row."""
        self.rows.append(cells)

    def __str__(self) -> str:
        marks = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.columns, marks, *self.rows)]
        caption = f"\n\n{self.caption}" if self.caption else ""
        return f"**{self.title}**\n\n" + "\n".join(lines) + f"{caption}\n"


def cost_table(measured: Calibration) -> Table:
    """What one call costs."""
    shown = Table("measured: one API call", ("call", "server ms CPU", "ms alone"))
    for name, cost in measured.calls.items():
        shown.add(name.replace("_", " ").replace("rr", "RR"), f"{cost.server_ms:.2f}", f"{cost.latency_ms:.1f}")
    for entry in measured.lists:
        shown.add(f"LIST beside {entry.rrs:,}", f"{entry.server_ms:.2f}", f"{entry.latency_ms:.1f}")
    return shown


def load_table(measured: Calibration) -> Table:
    """What one signal costs."""
    shown = Table("measured: one signal", ("load", "server ms CPU", "function ms CPU", "calls", "signals/s"))
    for name, load in measured.loads.items():
        calls = sum(load.calls.values())
        row = f"{load.server_ms:.2f}", f"{load.function_ms:.2f}", f"{calls:.2f}", f"{load.per_second:.0f}"
        shown.add(name, *row)
    return shown


def check_table(checks: Iterable[Check]) -> Table:
    """The model beside what was measured."""
    shown = Table("checked against", ("figure", "unit", "model", "measured", "error"))
    for check in checks:
        shown.add(check.name, check.unit, f"{check.model:.2f}", f"{check.measured:.2f}", f"{check.error:+.0%}")
    return shown


def memory_table(measured: Calibration) -> Table:
    """What stored RRs take."""
    shown = Table("measured: memory, API server with etcd", ("RRs", "resident MB", "heap MB", "file MB"))
    for held in measured.memory:
        shown.add(f"{held.rrs:,}", f"{held.resident_mb:.0f}", f"{held.heap_mb:.0f}", f"{held.storage_mb:.0f}")
    heap, stored = (memory_line(measured.memory, name).slope * 1000 for name in ("heap_mb", "storage_mb"))
    shown.caption = f"of an RR of {measured.rr_bytes:,} bytes: {heap:.1f} kB of heap, {stored:.1f} kB of file"
    return shown


def mixes(rate: float, *, object_bytes: float) -> dict[str, Mix]:
    """What is asked of each rate."""
    plain = Mix(per_second=rate, object_bytes=object_bytes)
    return {
        "one namespace": plain,
        "... 100,000 stored, 50,000 active": replace(plain, stored=100_000, active=50_000),
        "... in 16 namespaces": replace(plain, stored=100_000 / 16, active=50_000 / 16, shards=16),
        "... and 10 repeats in each round": replace(plain, stored=6_250, active=3_125, shards=16, joins=10),
    }


def demand_tables(costs: Costs, *, object_bytes: float) -> list[Table]:
    """One table for each rate."""
    return [_demand_table(rate, costs, object_bytes) for rate in RATES]


def _demand_table(rate: float, costs: Costs, object_bytes: float) -> Table:
    names = "calls/s", "calls/signal", "server cores", "function cores", "instances", "seats", "etcd writes/s", "ms"
    shown = Table(f"{rate:,} signals a second, 5 % new, webhooks of 5", ("mix", *names))
    for name, mix in mixes(rate, object_bytes=object_bytes).items():
        shown.add(name, *_demand_row(mix, demand(mix, costs)))
    shown.caption = f"one kube-apiserver gives the shipped priority level {shipped_level().seats} seats"
    return shown


def _demand_row(mix: Mix, needed: Demand) -> Sequence[str]:
    instances = f"{mix.shards} x {needed.instances_per_shard}" if mix.shards > 1 else str(needed.instances_per_shard)
    return (
        f"{needed.all_calls:,.0f}",
        f"{needed.all_calls / mix.per_second:.2f}",
        f"{needed.server_cores:,.2f}",
        f"{needed.function_cores:,.2f}",
        instances,
        f"{needed.seats:,.1f}",
        f"{needed.writes:,.0f}",
        f"{needed.latency_ms:.0f}",
    )


def instance_table(costs: Costs) -> Table:
    """What it costs that Knative sends a repeat to any instance."""
    shown = Table("repeats of one fingerprint, spread over instances", ("instances", "calls/repeat", "server ms CPU"))
    for instances in (1, 2, 5, 10, 50):
        mix = Mix(per_second=1000, new=0.0, instances=instances)
        calls = sum(calls_per_signal(mix).values())
        shown.add(str(instances), f"{calls:.2f}", f"{demand(mix, costs).server_cores:.2f}")
    return shown


def burst_table(outcomes: Iterable[tuple[str, Outcome]]) -> Table:
    """How the bursts went."""
    names = "signals", "stored after s", "503s", "most waiting", "most pods", "at zero after s"
    shown = Table("bursts, simulated with Knative's algorithm", ("burst", *names))
    for name, outcome in outcomes:
        shown.add(
            name,
            f"{outcome.sent:,.0f}",
            _seconds(outcome.all_stored_at),
            f"{outcome.refused:,.0f}",
            f"{outcome.most_waiting:,.0f}",
            str(outcome.most_ready),
            _seconds(outcome.to_zero_at),
        )
    return shown


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"

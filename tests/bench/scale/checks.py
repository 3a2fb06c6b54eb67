"""The model beside measurements that it was not made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.scale.costs import FITTED_SIZES, Costs, memory_line, rounds_of
from tests.bench.scale.flow_control import shipped_level
from tests.bench.scale.model import Mix, calls_before_the_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.scale.calibration import Calibration, Load

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
    return [
        *_lists(measured, costs),
        *_memory(measured),
        *_calls(measured),
        *_seats(measured),
        *_loads(measured, costs),
    ]


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
        yield Check(f"server, {name}", "ms CPU/signal", server_ms(load, costs), load.server_ms)
        if name not in _FITTED_LOADS:
            yield Check(f"function, {name}", "ms CPU/signal", function_ms(name, load, costs), load.function_ms)


def server_ms(load: Load, costs: Costs) -> float:
    """The calls that the server counted, each at the price of a bare one."""
    prices = costs.calls | {"list_rrs": costs.lists.at(0)}
    return sum(number * prices[_KINDS[kind]] for kind, number in load.calls.items() if kind in _KINDS)


def function_ms(name: str, load: Load, costs: Costs) -> float:
    """By the signals of a webhook, which its name tells, and the rounds that were made."""
    function = costs.function
    alerts = 20 if "of 20" in name else 5 if "of 5" in name else 1
    new = load.calls.get("POST remediationrequests", 0.0)
    reads = load.calls.get("GET remediationrequests", 0.0)
    rounds = rounds_of(load.calls) + reads
    return function.post / alerts + function.signal + new * function.new + rounds * function.round

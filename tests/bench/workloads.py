"""What is measured: which webhooks a slice sends, and how many of them are in flight."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from tests.bench.owned_pods import pod_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # Each webhook of a slice as the targets of its alerts.
    Webhooks = tuple[tuple[str, ...], ...]

MAX_CONCURRENT = 100  # the default of SLUICE_MAX_CONCURRENT: more signals than these are never worked on at once
_FAILED_WORKLOADS, _RESENT, _SENDERS, _GROUP = 300, 5, 2, 20
_FAILED_KINDS = ("pod", "pod", "pod", "deployment", "statefulset", "daemonset")
_fresh = count(1)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One kind of load.

    Args:
        name: for people, and for `--only`.
        in_flight: webhooks at once.
        alerts: in each webhook.
        draw: makes the webhooks of one slice.
        known: targets whose RRs exist before the first slice; `draw` repeats them.
        most_pairs: where a slice is long enough to need no more of them.
        defaults: the function runs with the settings that users get: owners resolved, senders checked. The
            targets then are Pods of Deployments that exist.
    """

    name: str
    in_flight: int
    draw: Callable[[], Webhooks]
    alerts: int = 1
    known: tuple[str, ...] = ()
    most_pairs: int = 100
    defaults: bool = False

    @property
    def answers(self) -> set[int]:
        """Codes that an answer may have: 201 where something new is created, 202 where nothing is."""
        return {202} if self.known else {201, 202} if self.draw is storm else {201}

    @property
    def floor_in_flight(self) -> int:
        """Signals at once for the bare client: as many as the gateway works on."""
        return min(self.in_flight * self.alerts, MAX_CONCURRENT)


def operations(webhooks: Webhooks, *, known: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Say what the protocol must do for each signal: `new` for the first on a target, `repeat` for the others."""
    seen = set(known)
    for webhook in webhooks:
        for target in webhook:
            yield "repeat" if target in seen else "new", target
            seen.add(target)


def new(*, webhooks: int, alerts: int = 1) -> Webhooks:
    """Webhooks of alerts on targets that were never seen."""
    return tuple(tuple(f"pod-{next(_fresh)}" for _ in range(alerts)) for _ in range(webhooks))


def new_owned(*, webhooks: int, alerts: int = 1) -> Webhooks:
    """Like `new`, with names that a Deployment's Pods have."""
    return tuple(tuple(pod_name(f"new-{next(_fresh)}") for _ in range(alerts)) for _ in range(webhooks))


def repeats(known: tuple[str, ...], *, webhooks: int) -> Webhooks:
    """Webhooks of one alert that go round the known targets."""
    return tuple((known[turn % len(known)],) for turn in range(webhooks))


def storm() -> Webhooks:
    """A node fails: two Alertmanagers side by side each send alerts on 300 workloads, and all of them five times."""
    failed = [f"{_FAILED_KINDS[index % len(_FAILED_KINDS)]}-{next(_fresh)}" for index in range(_FAILED_WORKLOADS)]
    groups = [tuple(failed[start : start + _GROUP]) for start in range(0, len(failed), _GROUP)]
    return tuple(group for _ in range(_RESENT) for group in groups for _ in range(_SENDERS))


def _repeating(name: str, *, over: int, in_flight: int, webhooks: int) -> Workload:
    known = tuple(f"known-{over}-{index}" for index in range(over))
    return Workload(name=name, in_flight=in_flight, draw=partial(repeats, known, webhooks=webhooks), known=known)


NEW = Workload(name="new, 16 in flight", in_flight=16, draw=partial(new, webhooks=160))
REPEATS = _repeating("repeats over 50, 50 in flight", over=50, in_flight=50, webhooks=1500)
ONE = _repeating("one fingerprint, 16 in flight", over=1, in_flight=16, webhooks=1500)
TWENTY = Workload(
    name="webhooks of 20 new, 4 in flight", in_flight=4, alerts=20, draw=partial(new, webhooks=12, alerts=20)
)
TWO_HUNDRED = Workload(
    name="webhooks of 200 new, 2 in flight",
    in_flight=2,
    alerts=200,
    draw=partial(new, webhooks=4, alerts=200),
    most_pairs=3,
)
STORM = Workload(name="storm of a failed node, 8 in flight", in_flight=8, alerts=_GROUP, draw=storm, most_pairs=2)
NEW_ALONE = Workload(name="new, one at a time", in_flight=1, draw=partial(new, webhooks=60))
REPEAT_ALONE = _repeating("repeat, one at a time", over=1, in_flight=1, webhooks=120)


def _with_defaults(workload: Workload, *, webhooks: int) -> Workload:
    if workload.known:
        known = tuple(pod_name(target) for target in workload.known)
        draw = partial(repeats, known, webhooks=webhooks)
    else:
        known, draw = (), partial(new_owned, webhooks=webhooks, alerts=workload.alerts)
    return replace(workload, name=f"defaults: {workload.name}", known=known, draw=draw, defaults=True)


WITH_DEFAULTS = (
    _with_defaults(NEW, webhooks=160),
    _with_defaults(REPEATS, webhooks=1500),
    _with_defaults(ONE, webhooks=1500),
    _with_defaults(TWENTY, webhooks=12),
    _with_defaults(NEW_ALONE, webhooks=60),
    _with_defaults(REPEAT_ALONE, webhooks=120),
)
WORKLOADS = (NEW, REPEATS, ONE, TWENTY, TWO_HUNDRED, STORM, NEW_ALONE, REPEAT_ALONE)

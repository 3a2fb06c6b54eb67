"""A burst of alerts as one Alertmanager sends it: the same for the same seed.

Waves follow each other; the webhooks of one wave are sent side by side, at most one for each group, as
Alertmanager does. The first wave holds one alert for each workload, so that which alert opens a request
does not depend on which webhook is faster.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING, Any

from core.local.demo.webhooks import Alert, webhook
from core.local.demo.workloads import ALERTS_OF, Workload, choose_workloads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

JsonObject = dict[str, Any]
Wave = list[JsonObject]

DEMO_LABEL = {"sluice_demo": "true"}
"""On every alert of a burst, so that what came of it can be told from real remediation requests."""

_GROUP_BY = ("alertname", "namespace")
_FURTHER_SHARE = 0.4  # of the workloads have a second alert
_NOTIFIED_SHARE = 0.6  # of the groups, in each wave but the first
_RESOLVED_SHARE = 0.12  # of their alerts; they fire again later


@dataclass(frozen=True, kw_only=True)
class BurstPlan:
    """How large a burst is. `alerts` counts every alert of every webhook, repeats included."""

    seed: int = 1
    alerts: int = 300
    workloads: int = 40


def make_burst(plan: BurstPlan, *, now: datetime) -> list[Wave]:
    """Return the waves of webhooks, `plan.alerts` alerts in all; `now` is when the youngest alert began."""
    random = Random(plan.seed)  # noqa: S311 - the same burst again is the point
    workloads = choose_workloads(min(plan.workloads, max(1, plan.alerts - 1)), random=random)
    started = now.replace(microsecond=0) - timedelta(minutes=10)
    first = [*(_alert(workload, 0, started) for workload in workloads), _poison(workloads[0], started)]
    further = [_alert(workload, 1, now) for workload in workloads if random.random() < _FURTHER_SHARE]
    waves = []
    missing = plan.alerts
    source = _waves(first, further, now, random)
    while missing:
        alerts = next(source)[:missing]
        waves.append([_notification(group) for group in _groups(alerts)])
        missing -= len(alerts)
    return waves


def _waves(first: list[Alert], further: list[Alert], now: datetime, random: Random) -> Iterator[list[Alert]]:
    """First what begins; then, without end, some groups again: Alertmanager repeats them whole."""
    yield first
    groups = _groups([*first[:-1], *further])
    while True:
        notified = [group for group in groups if random.random() < _NOTIFIED_SHARE]
        yield [_perhaps_resolved(alert, now, random) for group in notified for alert in group]


def _perhaps_resolved(alert: Alert, now: datetime, random: Random) -> Alert:
    return replace(alert, ended=now) if random.random() < _RESOLVED_SHARE else alert


def _groups(alerts: list[Alert]) -> list[list[Alert]]:
    return [list(members) for _, members in groupby(sorted(alerts, key=_group_of), key=_group_of)]


def _group_of(alert: Alert) -> tuple[str, ...]:
    return tuple(alert.labels[name] for name in _GROUP_BY)


def _notification(group: list[Alert]) -> JsonObject:
    return webhook(dict(zip(_GROUP_BY, _group_of(group[0]), strict=True)), group)


def _alert(workload: Workload, place: int, started: datetime) -> Alert:
    name, severity = ALERTS_OF[workload.kind][place]
    labels = {"alertname": name, "namespace": workload.namespace, workload.kind: workload.name, "severity": severity}
    return Alert(labels | _scraped() | DEMO_LABEL, started)


def _poison(neighbour: Workload, started: datetime) -> Alert:
    """An alert of `neighbour`'s group whose rule lost the label that names the workload."""
    alert = _alert(neighbour, 0, started)
    return replace(alert, labels={name: alert.labels[name] for name in alert.labels if name != neighbour.kind})


def _scraped() -> dict[str, str]:
    """What Prometheus adds for the exporter, and what must never name a target."""
    return {"job": "kube-state-metrics", "instance": "10.0.0.7:8443", "container": "kube-state-metrics"}

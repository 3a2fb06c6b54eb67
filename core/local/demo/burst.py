"""A burst of alerts as one Alertmanager sends it: the same for the same seed.

Waves follow each other; the webhooks of one wave are sent side by side, at most one for each group, as
Alertmanager does. The first wave holds one alert for each workload, so that which alert opens a remediation
RR does not depend on which webhook is faster. The workloads are made up, and so is what goes wrong with each
kind; webhooks have Alertmanager's version 4 (Alertmanager documentation, webhook_config).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby, product
from random import Random
from typing import TYPE_CHECKING, Any

from core.common.text import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

JsonObject = dict[str, Any]


# Names and severities as in the kubernetes-mixin, the rules most clusters run.
ALERTS_OF = {
    "deployment": (
        ("KubeDeploymentReplicasMismatch", "warning"),
        ("KubeDeploymentRolloutStuck", "warning"),
        ("KubeDeploymentGenerationMismatch", "warning"),
    ),
    "statefulset": (
        ("KubeStatefulSetReplicasMismatch", "warning"),
        ("KubeStatefulSetUpdateNotRolledOut", "warning"),
    ),
    "daemonset": (
        ("KubeDaemonSetRolloutStuck", "warning"),
        ("KubeDaemonSetMisScheduled", "warning"),
    ),
    "pod": (
        ("KubePodCrashLooping", "critical"),
        ("KubePodNotReady", "warning"),
        ("KubeContainerWaiting", "warning"),
    ),
}

_SHARES = ("deployment",) * 5 + ("statefulset",) * 2 + ("daemonset",) + ("pod",) * 2
# Nobody's own: no real alert should ever join a remediation request of a burst.
_NAMESPACES = {
    "demo-shop": ("cart", "catalog", "checkout", "pricing", "reviews"),
    "demo-payments": ("billing", "ledger", "payouts", "risk"),
    "demo-search": ("crawler", "indexer", "query", "ranker"),
    "demo-platform": ("audit", "identity", "mailer", "scheduler"),
}
_ROLES = ("api", "cache", "db", "web", "worker")
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # of which Kubernetes makes the ends of names
_ENDS = _LETTERS[:3]
_NAMES = tuple((namespace, app, role) for namespace, apps in _NAMESPACES.items() for app, role in product(apps, _ROLES))


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """One object that alerts are about; `kind` is the label that names it.

    A Pod is one of three of a Deployment, and named as its ReplicaSet names it.
    """

    namespace: str
    kind: str
    name: str

    @property
    def replica_set(self) -> str:
        """Of a Pod: what made it."""
        return self.name.rpartition("-")[0]

    @property
    def deployment(self) -> str:
        """Of a Pod: the workload that it is part of."""
        return self.replica_set.rpartition("-")[0]

    @property
    def pods(self) -> tuple[str, ...]:
        """Of a Pod: the names of all three, its own first."""
        return (self.name, *(f"{self.name[:-1]}{end}" for end in _ENDS if end != self.name[-1]))[:3]


def choose_workloads(number: int, *, random: Random) -> list[Workload]:
    """Return `number` different workloads."""
    indices = random.sample(range(max(number, len(_NAMES))), number)
    return [_workload(*_name(index), random) for index in indices]


def _name(index: int) -> tuple[str, str]:
    """Return namespace and name; from the end of the list on, a number keeps names apart."""
    generation, index = divmod(index, len(_NAMES))
    namespace, app, role = _NAMES[index]
    return namespace, f"{app}-{role}-{generation + 1}" if generation else f"{app}-{role}"


def _workload(namespace: str, name: str, random: Random) -> Workload:
    kind = random.choice(_SHARES)
    suffix = f"-{_letters(random, 9)}-{_letters(random, 5)}" if kind == "pod" else ""
    return Workload(namespace, kind, name + suffix)


def _letters(random: Random, number: int) -> str:
    return "".join(random.choices(_LETTERS, k=number))


_STILL_FIRING = "0001-01-01T00:00:00Z"  # Go's zero time
_PROMETHEUS = "http://prometheus.example:9090"
_ALERTMANAGER = "http://alertmanager.example:9093"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a group; `ended` is None while it fires."""

    labels: Mapping[str, str]
    started: datetime
    ended: datetime | None = None


def webhook(group: Mapping[str, str], alerts: Sequence[Alert]) -> JsonObject:
    """Return the notification of one group. `group` holds the labels that the route groups by."""
    matchers = ", ".join(f'{name}="{value}"' for name, value in group.items())
    return {
        "version": "4",
        "groupKey": f"{{}}:{{{matchers}}}",
        "truncatedAlerts": 0,
        "status": "firing" if any(alert.ended is None for alert in alerts) else "resolved",
        "receiver": "sluice",
        "groupLabels": dict(group),
        "commonLabels": _common([alert.labels for alert in alerts]),
        "commonAnnotations": {},
        "externalURL": _ALERTMANAGER,
        "alerts": [_as_json(alert) for alert in alerts],
    }


def _as_json(alert: Alert) -> JsonObject:
    name = alert.labels["alertname"]
    identity = "\n".join(f"{key}={value}" for key, value in sorted(alert.labels.items()))
    return {
        "status": "resolved" if alert.ended else "firing",
        "labels": dict(alert.labels),
        "annotations": {"summary": f"{name} in {alert.labels['namespace']}"},
        "startsAt": rfc3339(alert.started),
        "endsAt": rfc3339(alert.ended) if alert.ended else _STILL_FIRING,
        "generatorURL": f"{_PROMETHEUS}/graph?g0.expr={name}",
        "fingerprint": hashlib.sha256(identity.encode()).hexdigest()[:16],
    }


def _common(labels: Sequence[Mapping[str, str]]) -> dict[str, str]:
    shared = set(labels[0].items()).intersection(*(each.items() for each in labels))
    return dict(sorted(shared))


Wave = list[JsonObject]

DEMO_LABEL = {"sluice_demo": "true"}
"""On every alert of a burst, so that what came of it can be told from real remediation requests."""

_GROUP_BY = ("alertname", "namespace")
_FURTHER_SHARE = 0.4  # of the workloads have a second alert
_NOTIFIED_SHARE = 0.6  # of the groups, in each wave from the third on
_RESOLVED_SHARE = 0.12  # of their alerts; they fire again later


@dataclass(frozen=True, kw_only=True)
class BurstPlan:
    """How large a burst is. `alerts` counts every alert of every webhook, repeats included.

    `replicas`: all three Pods of a Deployment alert, not one. They are one problem only where they exist.
    """

    seed: int = 1
    alerts: int = 300
    workloads: int = 40
    replicas: bool = False


def make_burst(plan: BurstPlan, *, now: datetime) -> list[Wave]:
    """Return the waves of webhooks, `plan.alerts` alerts in all; `now` is when the youngest alert began."""
    random = Random(plan.seed)  # noqa: S311 - the same burst again is the point
    workloads = _workloads(plan, random)
    started = now.replace(microsecond=0) - timedelta(minutes=10)
    first = [*(_alert(workload, 0, started) for workload in workloads), _poison(workloads[0], started)]
    further = [_alert(workload, 1, now) for workload in workloads if random.random() < _FURTHER_SHARE]
    if plan.replicas:
        pods = (each for each in workloads if each.kind == "pod")
        further += [_alert(replace(each, name=name), 0, now) for each in pods for name in each.pods[1:]]
    waves = []
    missing = plan.alerts
    source = _waves(first, further, now, random)
    while missing:
        alerts = next(source)[:missing]
        waves.append([_notification(group) for group in _groups(alerts)])
        missing -= len(alerts)
    return waves


def workloads_of(plan: BurstPlan) -> list[Workload]:
    """Return what a burst is about."""
    return _workloads(plan, Random(plan.seed))  # noqa: S311 - the same as `make_burst` takes


def _workloads(plan: BurstPlan, random: Random) -> list[Workload]:
    return choose_workloads(min(plan.workloads, max(1, plan.alerts - 1)), random=random)


def _waves(first: list[Alert], further: list[Alert], now: datetime, random: Random) -> Iterator[list[Alert]]:
    """First what begins, then what joins; then, without end, some groups again: Alertmanager repeats them whole."""
    yield first
    groups = _groups([*first[:-1], *further])
    notified = groups
    while True:
        yield [_perhaps_resolved(alert, now, random) for group in notified for alert in group]
        notified = [group for group in groups if random.random() < _NOTIFIED_SHARE]


def _perhaps_resolved(alert: Alert, now: datetime, random: Random) -> Alert:
    return replace(alert, ended=now) if random.random() < _RESOLVED_SHARE else alert


def _groups(alerts: list[Alert]) -> list[list[Alert]]:
    return [list(members) for _, members in groupby(sorted(alerts, key=_group_of), key=_group_of)]


def _group_of(alert: Alert) -> tuple[str, ...]:
    return tuple(alert.labels[name] for name in _GROUP_BY)


def _notification(group: list[Alert]) -> JsonObject:
    return webhook(dict(zip(_GROUP_BY, _group_of(group[0]), strict=True)), group)


def _alert(workload: Workload, index: int, started: datetime) -> Alert:
    name, severity = ALERTS_OF[workload.kind][index]
    labels = {"alertname": name, "namespace": workload.namespace, workload.kind: workload.name, "severity": severity}
    return Alert(labels | _scraped() | DEMO_LABEL, started)


def is_broken(alert: JsonObject) -> bool:
    """Tell whether it is the one alert that a burst breaks on purpose."""
    labels = alert.get("labels") or {}
    return DEMO_LABEL.items() <= labels.items() and not all(isinstance(value, str) for value in labels.values())


def _poison(neighbour: Workload, started: datetime) -> Alert:
    """An alert of `neighbour`'s group from a sender that writes a label as a number."""
    alert = _alert(neighbour, 0, started)
    broken: dict[str, Any] = {**alert.labels, neighbour.kind: 7}
    return replace(alert, labels=broken)


def _scraped() -> dict[str, str]:
    """What Prometheus adds for the exporter, and what must never name a target."""
    return {"job": "kube-state-metrics", "instance": "10.0.0.7:8443", "container": "kube-state-metrics"}

"""Alertmanager's webhook, version 4, as JSON (Alertmanager documentation, webhook_config)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

JsonObject = dict[str, Any]

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
        "alerts": [_alert(alert) for alert in alerts],
    }


def _alert(alert: Alert) -> JsonObject:
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

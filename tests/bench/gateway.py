"""Alertmanager's webhooks as the function gets them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.cloud_events import Sent

if TYPE_CHECKING:
    from collections.abc import Sequence

_OTHER_KINDS = ("deployment", "statefulset", "daemonset")


def webhook(targets: Sequence[str]) -> bytes:
    """A version 4 webhook with one alert for each target, whose kind its name begins with; else it is a pod."""
    return json.dumps(
        {
            "version": "4",
            "groupKey": '{}:{alertname="NodeDown"}',
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "sluice",
            "groupLabels": {"alertname": "NodeDown"},
            "commonLabels": {"alertname": "NodeDown", "severity": "critical"},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example",
            "alerts": [_alert(target) for target in targets],
        }
    ).encode()


def posted(targets: Sequence[str], *, token: str = "") -> Sent:
    """The request that carries the webhook, from the sender who has `token`."""
    sender = {"Authorization": f"Bearer {token}"} if token else {}
    return Sent({"Content-Type": "application/json"} | sender, webhook(targets))


def _alert(target: str) -> dict[str, Any]:
    kind = target.partition("-")[0]
    label = kind if kind in _OTHER_KINDS else "pod"
    return {
        "status": "firing",
        "labels": {"alertname": "NodeDown", "severity": "critical", "namespace": "prod", label: target},
        "annotations": {"summary": "it does not answer", "runbook_url": "https://runbooks.example/down"},
        "startsAt": "2026-01-02T03:04:05.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph?g0.expr=up",
        "fingerprint": "0123456789abcdef",
    }

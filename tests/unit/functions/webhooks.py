"""Webhooks as Alertmanager sends them."""

import json
from typing import Any


def alert(pod: str = "web-1", **fields: Any) -> dict[str, Any]:
    """A firing alert on a pod; `fields` replace the alert's own."""
    return {
        "status": "firing",
        "labels": {"alertname": "HighMemoryUsage", "severity": "critical", "namespace": "prod", "pod": pod},
        "annotations": {"summary": "memory is short"},
        "startsAt": "2026-01-02T03:04:05.678Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example.com/graph",
        "fingerprint": "0123456789abcdef",
    } | fields


def webhook(*alerts: Any, **fields: Any) -> bytes:
    """The body of version 4."""
    body = {
        "version": "4",
        "groupKey": '{}:{alertname="HighMemoryUsage"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "sluice",
        "groupLabels": {"alertname": "HighMemoryUsage"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com",
        "alerts": list(alerts),
    }
    return json.dumps(body | fields).encode()

"""Webhooks as Alertmanager sends them."""

import json
from typing import Any

from tests.unit.signals.webhooks import webhook as document


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
    return json.dumps(document(*alerts, **fields)).encode()

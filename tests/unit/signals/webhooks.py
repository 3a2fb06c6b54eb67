"""Alertmanager webhooks as tests need them."""

import json
from datetime import UTC, datetime
from typing import Any

from core.signals.alertmanager import decode_alertmanager
from core.signals.signal import Batch, Ignored, NormalizedSignal, Poison

RECEIVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def alert(*, status: str = "firing", **labels: str) -> dict[str, Any]:
    """An alert on pod `web-1` in namespace `prod`, unless `labels` say otherwise."""
    named = labels or {"pod": "web-1", "namespace": "prod"}
    return {
        "status": status,
        "labels": {"alertname": "HighMemoryUsage", "severity": "critical", **named},
        "annotations": {"summary": "too much"},
        "startsAt": "2026-01-02T03:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "a1b2",
    }


def webhook(*alerts: Any, **fields: Any) -> dict[str, Any]:
    """A version 4 webhook as Alertmanager 0.34 sends it."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="HighMemoryUsage"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "sluice",
        "groupLabels": {"alertname": "HighMemoryUsage"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "notification_reason": "first notification",
        "alerts": list(alerts),
        **fields,
    }


def decode(*alerts: Any, **fields: Any) -> Batch:
    """Decode a webhook of `alerts`."""
    return decode_body(json.dumps(webhook(*alerts, **fields)).encode())


def decode_body(body: bytes) -> Batch:
    """Decode any body."""
    return decode_alertmanager(body, received_time=RECEIVED, signal_type="prometheus-alert")


def only_signal(batch: Batch) -> NormalizedSignal:
    """The one entry, a signal."""
    (entry,) = batch.entries
    assert isinstance(entry, NormalizedSignal), entry
    return entry


def only_poison(batch: Batch) -> Poison:
    """The one entry, poison."""
    (entry,) = batch.entries
    assert isinstance(entry, Poison), entry
    return entry


def only_ignored(batch: Batch) -> Ignored:
    """The one entry, ignored."""
    (entry,) = batch.entries
    assert isinstance(entry, Ignored), entry
    return entry

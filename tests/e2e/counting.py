"""What was delivered and acknowledged, as the recorder saw it, against what the RRs count."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.recorder import Delivery, Recorder
    from tests.support.cluster import Cluster

    Labels = dict[str, str]


def pod(name: str, alertname: str = "HighMemoryUsage") -> Labels:
    return {"alertname": alertname, "severity": "critical", "namespace": "prod", "pod": name, "job": "kubelet"}


def fingerprint(labels: Labels) -> str:
    return hashlib.sha256(f"{labels['namespace']}:Pod:{labels['pod']}".encode()).hexdigest()


def check_counts(cluster: Cluster, recorder: Recorder) -> Counter[str]:
    """Every alert is in exactly one active RR, and counts cover all that was acknowledged; return them."""
    recorder.close()
    active, counted = stored(cluster)
    delivered = fired(recorder.deliveries)
    assert active == delivered.keys()
    assert acknowledged(recorder.deliveries) <= counted, "an acknowledged delivery is not counted"
    assert counted <= delivered, "more is counted than was ever delivered"
    return counted


def stored(cluster: Cluster) -> tuple[set[str], Counter[str]]:
    """Fingerprints with an active RR, of which none may have two, and occurrences by fingerprint."""
    active: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    for rr in cluster.rrs():
        known = rr["spec"]["signalFingerprint"]
        status = rr.get("status", {})
        active[known] += status.get("overallPhase") != "Completed"
        counted[known] += status.get("deduplication", {}).get("occurrenceCount", 1)
    assert max(active.values(), default=0) <= 1, "two active RRs of one fingerprint"
    return {known for known, number in active.items() if number}, counted


def acknowledged(deliveries: Sequence[Delivery]) -> Counter[str]:
    return fired([delivery for delivery in deliveries if delivery.acknowledged])


def fired(deliveries: Sequence[Delivery]) -> Counter[str]:
    return Counter(fingerprint(labels) for delivery in deliveries for labels in delivery.firing if "pod" in labels)


def times(deliveries: Sequence[Delivery], labels: Labels) -> int:
    """How often this alert was acknowledged while it fired."""
    return sum(delivery.acknowledged and labels in delivery.firing for delivery in deliveries)


def is_over(deliveries: Sequence[Delivery], labels: Labels) -> bool:
    return any(delivery.acknowledged and labels in delivery.resolved for delivery in deliveries)

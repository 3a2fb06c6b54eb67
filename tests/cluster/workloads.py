"""Workloads that alerts and Events speak of: StatefulSets without pods, for which nothing here writes Events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.cluster.events import now

if TYPE_CHECKING:
    from tests.cluster.machine import Machine

_MERGE = "application/merge-patch+json"


def create_workloads(machine: Machine, *, namespace: str, number: int) -> list[str]:
    """Make the namespace and the StatefulSets in it; return their names."""
    machine.kubectl("create", "namespace", namespace)
    names = [f"cart-{each}" for each in range(number)]
    for name in names:
        labels = {"app": name}
        spec = {
            "serviceName": name,
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "cart", "image": "cart"}]}},
        }
        path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
        made = machine.request("POST", path, {"metadata": {"name": name}, "spec": spec})
        assert made.status == 201, made.body
    return names


def create_warning(machine: Machine, *, namespace: str, workload: str, **fields: Any) -> str:
    """Write the Event of a controller that could not make a pod; return its name."""
    event = {
        "metadata": {"name": f"{workload}.{datetime.now(UTC).timestamp():.6f}", "namespace": namespace},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": f"create Pod {workload}-0 in StatefulSet {workload} failed",
        "involvedObject": {"apiVersion": "apps/v1", "kind": "StatefulSet", "namespace": namespace, "name": workload},
        "source": {"component": "statefulset-controller"},
        "firstTimestamp": now(),
        "lastTimestamp": now(),
        "count": 1,
    } | fields
    made = machine.request("POST", f"/api/v1/namespaces/{namespace}/events", event)
    assert made.status == 201, made.body
    return str(made.body["metadata"]["name"])


def repeat_warning(machine: Machine, *, namespace: str, event: str, count: int) -> None:
    """Raise the Event's count, as client-go's recorder does."""
    path = f"/api/v1/namespaces/{namespace}/events/{event}"
    body = {"count": count, "lastTimestamp": now()}
    patched = machine.request("PATCH", path, body, content_type=_MERGE)
    assert patched.status == 200, patched.body

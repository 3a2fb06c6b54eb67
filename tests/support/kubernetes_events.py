"""Events as the API server serves them, after a kubelet, a scheduler or a controller wrote them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POD = "web-7d4b9c6f5d-x2x9k"
EVENT_UID = "6e4a7a52-2c25-4d0c-9b8e-0a6bb1a9f3c1"
POD_UID = "0d6cbb7e-6f4e-4b3c-8a8e-52ad0c3a5c11"


def kubelet_event(*, at: datetime = MOMENT, **fields: Any) -> dict[str, Any]:
    """Version core/v1, about a container; `at` is its last time."""
    first = _seconds(at - timedelta(minutes=6))
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": metadata(f"{POD}.17a3b2c4d5e6f708", "prod", created=first),
        "involvedObject": {
            "kind": "Pod",
            "namespace": "prod",
            "name": POD,
            "uid": POD_UID,
            "apiVersion": "v1",
            "resourceVersion": "80001",
            "fieldPath": "spec.containers{web}",
        },
        "reason": "BackOff",
        "message": f"Back-off restarting failed container web in pod {POD}_prod({POD_UID})",
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": first,
        "lastTimestamp": _seconds(at),
        "count": 7,
        "type": "Warning",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "node-1",
    } | fields


def scheduler_event(*, at: datetime = MOMENT, **fields: Any) -> dict[str, Any]:
    """Version events.k8s.io/v1, a series; `at` is its last time."""
    first = at - timedelta(minutes=4)
    return {
        "kind": "Event",
        "apiVersion": "events.k8s.io/v1",
        "metadata": metadata(f"{POD}.17a3b2c4d5e6f70a", "prod", created=_seconds(first)),
        "eventTime": _micro(first),
        "series": {"count": 4, "lastObservedTime": _micro(at)},
        "reportingController": "default-scheduler",
        "reportingInstance": "default-scheduler-control-plane-1",
        "action": "Scheduling",
        "reason": "FailedScheduling",
        "regarding": {
            "kind": "Pod",
            "namespace": "prod",
            "name": POD,
            "uid": POD_UID,
            "apiVersion": "v1",
            "resourceVersion": "80000",
        },
        "note": "0/3 nodes are available: 3 Insufficient memory.",
        "type": "Warning",
        "deprecatedSource": {},
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
    } | fields


def node_event(*, at: datetime = MOMENT, **fields: Any) -> dict[str, Any]:
    """About a Node, as its kubelet writes it: no namespace, and the node's name for a uid."""
    return kubelet_event(at=at) | {
        "metadata": metadata("node-1.17a3b2c4d5e6f70c", "default", created=_seconds(at)),
        "involvedObject": {"kind": "Node", "name": "node-1", "uid": "node-1"},
        "reason": "SystemOOM",
        "message": "System OOM encountered, victim process: java, pid: 4711",
        "firstTimestamp": _seconds(at),
        "count": 1,
        **fields,
    }


def controller_event(*, at: datetime = MOMENT, **fields: Any) -> dict[str, Any]:
    """About a Pod, as the node lifecycle controller writes it: another reporter, and no field path."""
    event = kubelet_event(at=at)
    del event["involvedObject"]["fieldPath"]
    return event | {
        "reason": "NodeNotReady",
        "message": "Node is not ready",
        "source": {"component": "node-controller"},
        "firstTimestamp": _seconds(at),
        "count": 1,
        "reportingComponent": "node-controller",
        "reportingInstance": "",
        **fields,
    }


def metadata(name: str, namespace: str, *, created: str = "2026-01-02T02:58:05Z", uid: str = EVENT_UID) -> Any:
    """With the field manager's notes, which are most of an Event."""
    return {
        "name": name,
        "namespace": namespace,
        "uid": uid,
        "resourceVersion": "81234",
        "creationTimestamp": created,
        "managedFields": [
            {
                "manager": "kubelet",
                "operation": "Update",
                "apiVersion": "v1",
                "time": created,
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:count": {}, "f:involvedObject": {}, "f:reason": {}, "f:type": {}},
            }
        ],
    }


def reference(event: dict[str, Any]) -> dict[str, str]:
    """What ApiServerSource sends of an Event in its default mode."""
    return {
        "apiVersion": event["apiVersion"],
        "kind": event["kind"],
        "name": event["metadata"]["name"],
        "namespace": event["metadata"]["namespace"],
    }


def _seconds(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _micro(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

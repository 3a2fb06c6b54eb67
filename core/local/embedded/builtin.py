"""The built-in kinds that the gateway reads or writes.

Only Leases are checked in full. The others stand for workloads that somebody else made: their specs are kept
as given, without the API server's defaults.
"""

from typing import Any

from core.local.embedded import leases
from core.local.embedded.kinds import FieldPath, JsonObject, Kind


def _fields(*labels: str) -> dict[str, FieldPath]:
    standard = ("metadata.name", "metadata.namespace")
    return {label: tuple(label.split(".")) for label in (*standard, *labels)}


_POD_FIELDS = _fields(
    *(f"spec.{name}" for name in ("nodeName", "restartPolicy", "schedulerName", "serviceAccountName", "hostNetwork")),
    *(f"status.{name}" for name in ("phase", "podIP", "nominatedNodeName")),
)
_NODE_FIELDS = _fields("spec.unschedulable")
_REPLICA_FIELDS = _fields("status.replicas")
_EVENT_FIELDS = _fields(
    *(f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")),
    *("involvedObject.fieldPath", "reason", "reportingComponent", "type"),
) | {"source": ("source", "component")}


def _namespace(new: JsonObject, _time: str) -> JsonObject:
    metadata = new["metadata"]
    labels = metadata.get("labels", {}) | {"kubernetes.io/metadata.name": metadata.get("name", "")}
    return new | {
        "metadata": metadata | {"labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def _namespace_finalizers(obj: JsonObject) -> list[str]:
    return [*(obj["metadata"].get("finalizers") or []), *(obj.get("spec", {}).get("finalizers") or [])]


def _pending(new: JsonObject, _time: str) -> JsonObject:
    return new | {"status": {"phase": "Pending"}}


def _kind(group: str, plural: str, kind: str, *short_names: str, **more: Any) -> Kind:
    standard: dict[str, Any] = {"updates_unconditionally": True, "selectable": _fields()}
    return Kind(group=group, version="v1", plural=plural, kind=kind, short_names=short_names, **(standard | more))


def _workload(group: str, plural: str, kind: str, *short_names: str, **more: Any) -> Kind:
    counted = {"status_subresource": True, "counts_generation": True}
    return _kind(group, plural, kind, *short_names, **(counted | more))


_LEASES = _kind(
    "coordination.k8s.io",
    "leases",
    "Lease",
    creates_on_update=True,
    updates_unconditionally=False,
    schema=leases.SCHEMA,
    decode=leases.decode,
    check=leases.check,
)
NAMESPACES = _kind(
    "",
    "namespaces",
    "Namespace",
    "ns",
    namespaced=False,
    status_subresource=True,
    returns_deleted=True,
    dns_label_names=True,
    selectable=_fields("status.phase"),
    prepare=_namespace,
    finalizers=_namespace_finalizers,
    ends_in_phases=True,
)
_EVENTS = {"creates_on_update": True, "selectable": _EVENT_FIELDS}

BUILTIN: tuple[Kind, ...] = (
    _LEASES,
    NAMESPACES,
    _workload("", "pods", "Pod", "po", returns_deleted=True, selectable=_POD_FIELDS, prepare=_pending),
    _workload("", "nodes", "Node", "no", namespaced=False, counts_generation=False, selectable=_NODE_FIELDS),
    _workload("", "replicationcontrollers", "ReplicationController", "rc", selectable=_REPLICA_FIELDS),
    _workload(
        "",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        "pvc",
        counts_generation=False,
        returns_deleted=True,
        prepare=_pending,
    ),
    _workload("", "services", "Service", "svc", counts_generation=False, returns_deleted=True),
    _kind("", "events", "Event", "ev", **_EVENTS),
    _kind("events.k8s.io", "events", "Event", "ev", **_EVENTS),
    _workload("apps", "deployments", "Deployment", "deploy"),
    _workload("apps", "replicasets", "ReplicaSet", "rs", selectable=_REPLICA_FIELDS),
    _workload("apps", "statefulsets", "StatefulSet", "sts"),
    _workload("apps", "daemonsets", "DaemonSet", "ds"),
    _workload("batch", "jobs", "Job", selectable=_fields("status.successful")),
    _workload("batch", "cronjobs", "CronJob", "cj"),
)

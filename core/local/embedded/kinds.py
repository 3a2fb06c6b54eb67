"""What the store has to know about a kind, which kinds are served, and where they come from.

Of the built-in kinds those are here that the gateway reads or writes. Only Leases are checked in full; the others
stand for workloads that somebody else made: their specs are kept as given, without the API server's defaults.
CustomResourceDefinitions are read, checked, and turned into kinds.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from core.local.embedded.schemas import Schema, UnsupportedSchemaError
from core.local.embedded.statuses import Cause, DecodeError, Target, unmarshal_error
from core.local.embedded.tables import Column, columns_of

JsonObject = dict[str, Any]
Check = Callable[[JsonObject, JsonObject | None], list[Cause]]
Prepare = Callable[[JsonObject, str], JsonObject]
FieldPath = tuple[str, ...]


def no_check(_new: JsonObject, _old: JsonObject | None) -> list[Cause]:
    """Accept every object."""
    return []


def as_given(new: JsonObject, _time: str) -> JsonObject:
    """Take a new object as it is."""
    return new


def as_read(obj: JsonObject) -> JsonObject:
    """Take an object from a request as it is."""
    return obj


def own_finalizers(obj: JsonObject) -> list[str]:
    """Return what has to happen before the object may go."""
    return obj["metadata"].get("finalizers") or []


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind in one version.

    `selectable` maps field selector labels to paths. `check` holds the rules that a schema cannot say.
    `decode` reads what a client sent. `prepare` sets what the server sets in a new object, given the time.
    `counts_generation`: metadata.generation is kept. `returns_deleted`: DELETE answers with the object.
    `ends_in_phases`: it is a namespace, which ends by status.phase. `columns`: of its tables, where it has some.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    custom: bool = False
    status_subresource: bool = False
    counts_generation: bool = False
    creates_on_update: bool = False
    updates_unconditionally: bool = False
    returns_deleted: bool = False
    dns_label_names: bool = False
    selectable: Mapping[str, FieldPath] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    schema: Schema = field(default_factory=Schema)
    check: Check = no_check
    decode: Callable[[JsonObject], JsonObject] = as_read
    prepare: Prepare = as_given
    finalizers: Callable[[JsonObject], list[str]] = own_finalizers
    ends_in_phases: bool = False

    @property
    def api_version(self) -> str:
        """The objects' `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The name in the singular, for discovery."""
        return self.kind.lower()

    @property
    def resource(self) -> Target:
        """The plural with its group, which most errors are about."""
        return Target(self.group, self.plural)

    @property
    def type(self) -> Target:
        """The kind with its group, which errors about invalid objects name."""
        return Target(self.group, self.kind)

    def storage_key(self, namespace: str, name: str) -> str:
        """Return the etcd key, which some conflicts show."""
        group = (self.group,) if self.custom else ()
        scope = (namespace,) if self.namespaced else ()
        return "/".join(("/registry", *group, self.plural, *scope, name))


class Registry:
    """The kinds that are served at the moment."""

    def __init__(self, kinds: tuple[Kind, ...] = ()) -> None:
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        for kind in kinds:
            self.add(kind)

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def add(self, kind: Kind) -> None:
        """Serve a kind, or a new definition of it."""
        self._kinds[kind.group, kind.version, kind.plural] = kind

    def remove(self, kind: Kind) -> None:
        """Serve it no longer."""
        self._kinds.pop((kind.group, kind.version, kind.plural), None)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Return the kind, None when it is not served."""
        return self._kinds.get((group, version, plural))

    def is_built_in(self, group: str) -> bool:
        """Whether a group is the API server's own, rather than one of CRDs."""
        return any(kind.group == group and not kind.custom for kind in self)


_LEASE_TEXTS = ("holderIdentity", "strategy", "preferredHolder")
_LEASE_NUMBERS = ("leaseDurationSeconds", "leaseTransitions")
_LEASE_TIMES = ("acquireTime", "renewTime")
_LEASE_FIELDS = (*_LEASE_TEXTS, *_LEASE_NUMBERS, *_LEASE_TIMES)
# Six digits, no more and no fewer: Go's layout 2006-01-02T15:04:05.000000Z07:00.
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")

LEASE_SCHEMA = Schema({"properties": {"spec": {"properties": {name: {"title": name} for name in _LEASE_FIELDS}}}})


def decode_lease(lease: JsonObject) -> JsonObject:
    """Return the Lease with times in UTC; DecodeError for a value of the wrong type."""
    spec = lease.get("spec")
    if spec is None:
        return lease | {"spec": {}}
    if not isinstance(spec, dict):
        raise unmarshal_error(spec, "struct field Lease.spec of type v1.LeaseSpec")
    return lease | {"spec": {name: _read_lease_field(name, value) for name, value in spec.items() if value is not None}}


def _read_lease_field(name: str, value: Any) -> Any:
    wanted = int if name in _LEASE_NUMBERS else str
    if name in _LEASE_FIELDS and (not isinstance(value, wanted) or isinstance(value, bool)):
        go_type = "int32" if wanted is int else "string"
        raise unmarshal_error(value, f"struct field LeaseSpec.spec.{name} of type {go_type}")
    return _micro_time(value) if name in _LEASE_TIMES else value


def _micro_time(text: str) -> str:
    if not _MICRO_TIME.fullmatch(text):
        raise DecodeError(f'parsing time "{text}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse')
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def check_lease(lease: JsonObject, _old: JsonObject | None) -> list[Cause]:
    """Return what is wrong with a Lease's numbers."""
    spec = lease.get("spec") or {}
    causes = []
    if spec.get("leaseDurationSeconds", 1) <= 0:
        causes.append(_too_small("leaseDurationSeconds", spec, "must be greater than 0"))
    if spec.get("leaseTransitions", 0) < 0:
        causes.append(_too_small("leaseTransitions", spec, "must be greater than or equal to 0"))
    return causes


def _too_small(name: str, spec: JsonObject, rule: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {spec[name]}: {rule}", f"spec.{name}")


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


def _status(**fields: Any) -> Prepare:
    """Set what a status has before a controller writes to it."""
    return lambda new, _time: new | {"status": deepcopy(fields)}


_DAEMONS = dict.fromkeys(("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"), 0)


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
    schema=LEASE_SCHEMA,
    decode=decode_lease,
    check=check_lease,
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
    _workload(
        "",
        "replicationcontrollers",
        "ReplicationController",
        "rc",
        selectable=_REPLICA_FIELDS,
        prepare=_status(replicas=0),
    ),
    _workload(
        "",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        "pvc",
        counts_generation=False,
        returns_deleted=True,
        prepare=_pending,
    ),
    _workload(
        "",
        "services",
        "Service",
        "svc",
        counts_generation=False,
        returns_deleted=True,
        prepare=_status(loadBalancer={}),
    ),
    _kind("", "events", "Event", "ev", **_EVENTS),
    _kind("events.k8s.io", "events", "Event", "ev", **_EVENTS),
    _workload("apps", "deployments", "Deployment", "deploy", prepare=_status()),
    _workload("apps", "replicasets", "ReplicaSet", "rs", selectable=_REPLICA_FIELDS, prepare=_status(replicas=0)),
    _workload("apps", "statefulsets", "StatefulSet", "sts", prepare=_status(replicas=0, availableReplicas=0)),
    _workload("apps", "daemonsets", "DaemonSet", "ds", prepare=_status(**_DAEMONS)),
    _workload("batch", "jobs", "Job", selectable=_fields("status.successful"), prepare=_status()),
    _workload("batch", "cronjobs", "CronJob", "cj", prepare=_status()),
)


DEFAULT_GROUP = "remediation.kubernaut.ai"
CRD_FILE = Path(__file__).with_name("crd.yaml")
"""The definition of RemediationRequest: in a wheel a copy, in a checkout a link to the source in knative/."""


def load_crd(path: Path = CRD_FILE, *, group: str = DEFAULT_GROUP) -> JsonObject:
    """Return the CRD in a file, for `group` instead of its own group.

    Raises:
        FileNotFoundError: there is no such file.
        UnsupportedSchemaError: its schema asks for checks that the embedded API does not make.
    """
    crd = deepcopy(_parsed(path.read_text(encoding="utf-8")))
    crd["metadata"]["name"] = f"{crd['spec']['names']['plural']}.{group}"
    crd["spec"]["group"] = group
    kinds_of(crd)
    return crd


@lru_cache(maxsize=4)
def _parsed(text: str) -> JsonObject:
    """A simulation makes one API after the other; YAML takes longer than all the rest of that."""
    crd: JsonObject = yaml.safe_load(text)
    return crd


def kinds_of(crd: JsonObject) -> list[Kind]:
    """Return the kinds that a CRD serves, one for each version.

    Raises:
        UnsupportedSchemaError: as `load_crd`.
    """
    return [_kind_of_version(crd["spec"], version) for version in crd["spec"]["versions"] if version["served"]]


def _kind_of_version(spec: JsonObject, version: JsonObject) -> Kind:
    names = spec["names"]
    return Kind(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames", ())),
        custom=True,
        status_subresource="status" in version.get("subresources", {}),
        counts_generation=True,
        selectable=_selectable(version),
        columns=columns_of(version),
        schema=Schema(version["schema"]["openAPIV3Schema"]),
    )


def _selectable(version: JsonObject) -> dict[str, tuple[str, ...]]:
    labels = ["metadata.name", "metadata.namespace"]
    labels += [field["jsonPath"].removeprefix(".") for field in version.get("selectableFields", ())]
    return {label: tuple(label.split(".")) for label in labels}


def check_crd(crd: JsonObject, _old: JsonObject | None) -> list[Cause]:
    """Return what is wrong with a CRD, or what this server cannot do for it."""
    try:
        kinds_of(crd)
    except (KeyError, TypeError, AttributeError) as error:
        return [_invalid("spec", f"is incomplete: {error}")]
    except UnsupportedSchemaError as error:
        return [_invalid("spec.versions", str(error))]
    spec = crd["spec"]
    wanted = f"{spec['names']['plural']}.{spec['group']}"
    if crd["metadata"].get("name") != wanted:
        return [
            Cause(
                "FieldValueInvalid",
                f'Invalid value: "{crd["metadata"].get("name", "")}": must be spec.names.plural+"."+spec.group',
                "metadata.name",
            )
        ]
    return []


def _invalid(field: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {why}", field)


def establish(new: JsonObject, time: str) -> JsonObject:
    """Accept the names and establish the kind at once; the API server takes a moment for it."""
    spec = new.get("spec") or {}
    conditions = [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", time),
        _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", time),
    ]
    stored = [version.get("name") for version in spec.get("versions", ()) if version.get("storage")]
    status = {"conditions": conditions, "acceptedNames": spec.get("names", {}), "storedVersions": stored}
    return new | {"status": status}


def _condition(name: str, reason: str, message: str, time: str) -> dict[str, Any]:
    return {
        "type": name,
        "status": "True",
        "lastTransitionTime": time,
        "reason": reason,
        "message": message,
    }


CRDS = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
    short_names=("crd", "crds"),
    status_subresource=True,
    counts_generation=True,
    selectable={"metadata.name": ("metadata", "name"), "metadata.namespace": ("metadata", "namespace")},
    check=check_crd,
    prepare=establish,
)

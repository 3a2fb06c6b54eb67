"""metadata: what the server sets itself, and what it accepts from clients."""

from typing import Any

from core.local.embedded.decoding import unmarshal_error
from core.local.embedded.kinds import Kind
from core.local.embedded.statuses import bad_request, internal

JsonObject = dict[str, Any]

_TYPES: dict[str, type] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "uid": str,
    "resourceVersion": str,
    "generation": int,
    "creationTimestamp": str,
    "deletionTimestamp": str,
    "deletionGracePeriodSeconds": int,
    "labels": dict,
    "annotations": dict,
    "ownerReferences": list,
    "finalizers": list,
    "managedFields": list,
}
_SERVER_SET = {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"}
_SERVER_SET |= {"managedFields", "resourceVersion"}
_KEPT_ON_UPDATE = ("name", "namespace", "creationTimestamp", "deletionTimestamp", "generation")
_CHECKED_ON_UPDATE = ("uid", "deletionGracePeriodSeconds")
_DROPPED_ON_UPDATE = ("creationTimestamp", "generation", "managedFields", "resourceVersion")
_GO_TYPES = {str: "string", int: "int64", dict: "map[string]string", list: "[]string"}


def read(obj: JsonObject, kind: Kind, unknown: list[str]) -> JsonObject:
    """Return a copy of an object's metadata with known, non-empty fields only.

    Raises:
        DecodeError: a field is of the wrong type.
    """
    given = obj.get("metadata")
    if given is None:
        return {}
    if not isinstance(given, dict):
        into = "value" if kind.custom else f"struct field {kind.kind}.metadata"
        raise unmarshal_error(given, f"{into} of type v1.ObjectMeta")
    unknown += [f"metadata.{field}" for field in given if field not in _TYPES]
    known = {field: value for field, value in given.items() if field in _TYPES and value is not None}
    for field, value in known.items():
        _check_type(field, value, "ObjectMeta" if kind.custom else "ObjectMeta.metadata")
    return {field: value for field, value in known.items() if value}


def _check_type(field: str, value: Any, within: str) -> None:
    wanted = _TYPES[field]
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise unmarshal_error(value, f"struct field {within}.{field} of type {_GO_TYPES[wanted]}")
    if field in ("labels", "annotations", "finalizers"):
        items: Any = value.values() if isinstance(value, dict) else value
        for item in items:
            if not isinstance(item, str):
                raise unmarshal_error(item, f"struct field {within}.{field} of type string")


def for_create(metadata: JsonObject, *, kind: Kind, namespace: str, uid: str, time: str) -> JsonObject:
    """Return the metadata of a new object; what clients may not set is dropped."""
    fresh = {field: value for field, value in metadata.items() if field not in _SERVER_SET}
    fresh |= {"uid": uid, "creationTimestamp": time}
    if kind.namespaced:
        fresh["namespace"] = namespace
    if kind.counts_generation:
        fresh["generation"] = 1
    return fresh


def for_update(metadata: JsonObject, old: JsonObject) -> JsonObject:
    """Return the metadata of an updated object; what the server keeps to itself is as it was."""
    kept = {field: old[field] for field in _KEPT_ON_UPDATE if field in old}
    optional = {field: old[field] for field in _CHECKED_ON_UPDATE if field in old and not metadata.get(field)}
    return {field: value for field, value in metadata.items() if field not in _DROPPED_ON_UPDATE} | optional | kept


def resource_version(metadata: JsonObject) -> int:
    """Return the revision a client writes on, 0 where it says none; 500 for one that is no number."""
    text = metadata.get("resourceVersion") or "0"
    if not (text.isascii() and text.isdecimal()):
        raise internal(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def check_namespace(metadata: JsonObject, kind: Kind, namespace: str) -> None:
    """Raise 400 when the object names another namespace than the URL."""
    if kind.namespaced and metadata.get("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")

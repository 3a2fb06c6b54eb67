"""metadata: what the server sets itself, and what it accepts from clients."""

from typing import Any

from core.local.embedded.kinds import Kind
from core.local.embedded.names import annotation_causes, finalizer_causes, label_causes, name_causes
from core.local.embedded.statuses import Cause, bad_request, internal

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
_SERVER_SET |= {"generation", "managedFields", "resourceVersion"}
_KEPT_ON_UPDATE = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
_GO_TYPES = {str: "string", int: "int64", dict: "map[string]string", list: "[]string"}


def read(obj: JsonObject, kind: Kind, unknown: list[str]) -> JsonObject:
    """Return a copy of an object's metadata with known, non-empty fields only.

    Raises:
        ApiError: 400 for a field of the wrong type.
    """
    given = obj.get("metadata")
    if not isinstance(given, dict | None):
        raise bad_request(_wrong_type(kind, "metadata", given, "ObjectMeta"))
    for field, value in (given or {}).items():
        wanted = _TYPES.get(field)
        if wanted is None:
            unknown.append(f"metadata.{field}")
        elif value is not None and (not isinstance(value, wanted) or not _holds_strings(field, value)):
            raise bad_request(_wrong_type(kind, f"metadata.{field}", value, _GO_TYPES[wanted]))
    return {field: value for field, value in (given or {}).items() if field in _TYPES and value}


def _holds_strings(field: str, value: Any) -> bool:
    if field in ("labels", "annotations"):
        return all(isinstance(item, str) for item in value.values())
    return field != "finalizers" or all(isinstance(item, str) for item in value)


def _wrong_type(kind: Kind, field: str, value: Any, go_type: str) -> str:
    found = {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")
    if isinstance(value, dict | list) and go_type.endswith("string"):
        found = "number"
    return (
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: json: cannot unmarshal '
        f"{found} into Go struct field ObjectMeta.{field} of type {go_type}"
    )


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
    """Return the metadata of an updated object; what clients may not change is as it was."""
    changeable = {
        field: value
        for field, value in metadata.items()
        if field not in _KEPT_ON_UPDATE and field not in ("managedFields", "resourceVersion")
    }
    kept = {field: old[field] for field in _KEPT_ON_UPDATE if field in old}
    identity = {"name": old["name"], "uid": metadata.get("uid") or old["uid"]}
    if "namespace" in old:
        identity["namespace"] = old["namespace"]
    return changeable | kept | identity


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


def causes(metadata: JsonObject, kind: Kind, old: JsonObject | None) -> list[Cause]:
    """Return what is wrong with metadata."""
    found = name_causes(metadata.get("name", ""), dns_label=kind.dns_label_names)
    found += label_causes(metadata.get("labels") or {})
    found += annotation_causes(metadata.get("annotations") or {})
    found += finalizer_causes(metadata.get("finalizers") or [])
    if old is not None and metadata["uid"] != old["uid"]:
        found.append(
            Cause(
                "FieldValueInvalid",
                f'Invalid value: "{metadata["uid"]}": field is immutable',
                "metadata.uid",
            )
        )
    return found

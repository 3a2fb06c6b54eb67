"""Structural schemas at work on objects: unknown fields are pruned, missing ones defaulted."""

from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]

_WRITTEN_WITH_EXPONENT = 1e21
_PRESERVE = "x-kubernetes-preserve-unknown-fields"


def fit(value: Any, schema: Mapping[str, Any], path: str, unknown: list[str]) -> Any:
    """Return a copy without unknown fields and needless nulls, with defaults; pruned paths go to `unknown`.

    A value whose type is wrong is returned as it is: the validation says so later.
    """
    if isinstance(value, dict):
        return _fit_object(value, schema, path, unknown)
    if isinstance(value, list) and "items" in schema:
        return [fit(item, schema["items"], f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    if isinstance(value, float) and value.is_integer() and abs(value) < _WRITTEN_WITH_EXPONENT:
        return int(value)  # as Go writes it
    return value


def _fit_object(value: JsonObject, schema: Mapping[str, Any], path: str, unknown: list[str]) -> JsonObject:
    fitted = {}
    for name, item in value.items():
        child = _child(schema, name)
        where = f"{path}.{name}" if path else name
        if child is None:
            unknown.append(where)
        elif item is not None or child.get("nullable") or not child:
            fitted[name] = fit(item, child, where, unknown)
    for name, child in schema.get("properties", {}).items():
        if name not in fitted and "default" in child:
            fitted[name] = fit(child["default"], child, name, unknown)
    return fitted


def _child(schema: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return the schema of a field; empty where anything goes, None where the field is unknown."""
    properties = schema.get("properties", {})
    if name in properties:
        return properties[name]  # type: ignore[no-any-return]
    rest = schema.get("additionalProperties")
    if isinstance(rest, Mapping):
        return rest
    return {} if rest or schema.get(_PRESERVE) or not schema else None

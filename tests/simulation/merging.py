"""Objects as the API server changes them: merge patches, what counts as a change, who wrote when."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]

SEALED = ("managedFields", "resourceVersion")
"""Metadata that the server writes with every change."""


def merged(target: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def content(obj: JsonObject) -> JsonObject:
    """Return an object without what the server writes with every change."""
    return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key not in SEALED}}


def noted(before: JsonObject | None, entry: JsonObject, *, time: str) -> list[JsonObject]:
    """Return managedFields after a write by the manager of `entry`; which fields it owns is left out."""
    entries = list(before["metadata"]["managedFields"]) if before else []
    others = [one for one in entries if {key: value for key, value in one.items() if key != "time"} != entry]
    return [*others, entry | {"time": time}]

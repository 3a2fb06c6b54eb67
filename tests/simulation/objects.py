"""Objects as the API server changes them: what counts as a change, who wrote when."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]

SEALED = ("managedFields", "resourceVersion")
"""Metadata that the server writes with every change."""


def content(obj: JsonObject) -> JsonObject:
    """Return an object without what the server writes with every change."""
    return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key not in SEALED}}


def noted(before: JsonObject | None, entry: JsonObject, *, time: str) -> list[JsonObject]:
    """Return managedFields after a write by the manager of `entry`; of the fields only the phase is told."""
    entries = list(before["metadata"]["managedFields"]) if before else []
    others = [one for one in entries if {key: value for key, value in one.items() if key != "time"} != entry]
    return [*others, entry | {"time": time}]

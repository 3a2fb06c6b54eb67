"""metadata.managedFields: who wrote which fields, and when by the server's clock (KEP-555).

Field sets follow structured-merge-diff; lists of built-in kinds count as one value, finer than that nobody
here asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

JsonObject = dict[str, Any]
FieldPath = tuple[str, ...]

_METADATA = ("f:metadata",)
_SYSTEM_FIELDS = {"name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion", "managedFields"}
_SYSTEM_FIELDS |= {"deletionTimestamp", "deletionGracePeriodSeconds"}
_NODE = object()  # a map itself, beside its entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who writes, as one entry of managedFields names it."""

    manager: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an author wrote last and still owns; `time` in RFC 3339, whole seconds."""

    author: Author
    time: str
    fields: frozenset[FieldPath]

    def as_object(self) -> JsonObject:
        """Return the entry as it stands in metadata."""
        entry = {
            "manager": self.author.manager,
            "operation": "Update",
            "apiVersion": self.author.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": _nested(self.fields),
        }
        return entry | ({"subresource": self.author.subresource} if self.author.subresource else {})


def updated(
    entries: tuple[Entry, ...], *, old: JsonObject, new: JsonObject, author: Author, time: str, custom: bool
) -> tuple[Entry, ...]:
    """Return the entries after `author` turned `old` into `new`.

    A field that was added or changed goes to the author, whose time then moves; a removed one leaves
    everybody and moves no time.
    """
    before, after = _flat(old, custom=custom), _flat(new, custom=custom)
    taken = frozenset(path for path, value in after.items() if path not in before or before[path] != value)
    lost = taken | (before.keys() - after.keys())
    kept = {entry.author: replace(entry, fields=entry.fields - lost) for entry in entries}
    if taken:
        mine = kept[author].fields if author in kept else frozenset()
        kept[author] = Entry(author, time, mine | taken)
    return tuple(sorted((entry for entry in kept.values() if entry.fields), key=_order))


def _order(entry: Entry) -> tuple[str, str, str, str]:
    return entry.time, entry.author.manager, entry.author.api_version, entry.author.subresource


def _flat(obj: Mapping[str, Any], *, custom: bool) -> dict[FieldPath, Any]:
    flat: dict[FieldPath, Any] = {}
    content = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _SYSTEM_FIELDS}
    _flatten(content | {"metadata": metadata}, (), flat, custom=custom)
    flat.pop(_METADATA, None)
    return flat


def _flatten(value: Any, path: FieldPath, flat: dict[FieldPath, Any], *, custom: bool) -> None:
    for key, item in _items(value):
        here = (*path, key)
        if not isinstance(item, dict) and not _is_set(here, item):
            flat[here] = item
            continue
        if _is_map(here, custom=custom):
            flat[here] = _NODE
        _flatten(item, here, flat, custom=custom)


def _items(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, list):  # finalizers, the one set
        return [(f'v:"{item}"', item) for item in value]
    return [(f"f:{key}", item) for key, item in value.items()]


def _is_set(path: FieldPath, value: Any) -> bool:
    return path == (*_METADATA, "f:finalizers") and isinstance(value, list) and bool(value)


def _is_map(path: FieldPath, *, custom: bool) -> bool:
    """Whether the value itself is owned beside its entries: so with maps, not with built-in structs."""
    return (path[:1] == _METADATA and len(path) > 1) or (custom and path[:1] != _METADATA)


def _nested(fields: frozenset[FieldPath]) -> JsonObject:
    nested: JsonObject = {}
    for path in sorted(fields):
        node = nested
        for key in path:
            node = node.setdefault(key, {})
    for path in fields:
        node = nested
        for key in path:
            node = node[key]
        if node:
            node["."] = {}
    return nested

"""Objects as tables: the columns of a custom kind, which `kubectl get` asks for and shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.local.ages import short_age

JsonObject = dict[str, Any]
_NAME_SAYS = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_TYPES: Mapping[str, type | tuple[type, ...]] = {"integer": (int, float), "number": (int, float), "boolean": bool}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One of `additionalPrinterColumns`; `path` holds the fields that its jsonPath names."""

    name: str
    type: str
    path: tuple[str, ...]
    format: str = ""
    description: str = ""
    priority: int = 0

    def cell(self, obj: JsonObject, now: datetime) -> Any:
        """Return what a row shows: text, a number, or None."""
        value: Any = obj
        for name in self.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            return None
        if self.type == "date":
            return _age(value, now)
        if self.type == "string":
            return str(value).lower() if isinstance(value, bool) else str(value)
        fits = isinstance(value, _TYPES[self.type]) and isinstance(value, bool) == (self.type == "boolean")
        return (int(value) if self.type == "integer" else value) if fits else None

    @property
    def definition(self) -> JsonObject:
        """Its entry in `columnDefinitions`."""
        said = self.description or f"Custom resource definition column (in JSONPath format): .{'.'.join(self.path)}"
        named = {"name": self.name, "type": self.type, "format": self.format}
        return named | {"description": said, "priority": self.priority}


_NAME = Column(name="Name", type="string", format="name", description=_NAME_SAYS, path=("metadata", "name"))
_BY_DEFAULT = (
    {
        "name": "Age",
        "type": "date",
        "jsonPath": ".metadata.creationTimestamp",
        "description": (
            "CreationTimestamp is a timestamp representing the server time when this object was created. It is not "
            "guaranteed to be set in happens-before order across separate operations. Clients may not set this value. "
            "It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. "
            "More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
        ),
    },
)


def columns_of(version: Mapping[str, Any]) -> tuple[Column, ...]:
    """Return the columns of a version of a CustomResourceDefinition, the name first."""
    given: Iterable[Mapping[str, Any]] = version.get("additionalPrinterColumns") or _BY_DEFAULT
    return (
        _NAME,
        *(
            Column(
                name=each["name"],
                type=each["type"],
                format=each.get("format", ""),
                description=each.get("description", ""),
                priority=each.get("priority", 0),
                path=tuple(each["jsonPath"].removeprefix(".").split(".")),
            )
            for each in given
        ),
    )


def table(
    columns: Iterable[Column],
    objects: Iterable[JsonObject],
    *,
    revision: str,
    include: str,
    now: datetime,
    headed: bool = True,
) -> JsonObject:
    """Return a meta.k8s.io/v1 Table.

    `include` is what each row has of its object: Object, None, else its metadata. `headed`: with the columns'
    definitions; a watch sends them once.
    """
    shown = tuple(columns)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": revision},
        "columnDefinitions": [column.definition for column in shown] if headed else None,
        "rows": [
            {"cells": [column.cell(obj, now) for column in shown], "object": _included(obj, include)} for obj in objects
        ],
    }


def _included(obj: JsonObject, include: str) -> JsonObject | None:
    if include == "None":
        return None
    if include == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _age(value: Any, now: datetime) -> str:
    try:
        return short_age((now - datetime.fromisoformat(value)).total_seconds())
    except (TypeError, ValueError):
        return "<invalid>"

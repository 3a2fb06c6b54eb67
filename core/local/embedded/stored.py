"""Objects at rest: never changed in place, so every reader may share them."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from pydantic_core import to_json

from core.local.embedded.ownership import Entry

JsonObject = dict[str, Any]

_SEAL = frozenset(("resourceVersion", "managedFields"))


@dataclass(frozen=True)
class Stored:
    """One object at one revision, with its JSON text made once, when somebody asks."""

    value: JsonObject
    revision: int
    entries: tuple[Entry, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """metadata.name."""
        return self.value["metadata"]["name"]  # type: ignore[no-any-return]

    @property
    def namespace(self) -> str:
        """metadata.namespace; empty for cluster-scoped kinds."""
        return self.value["metadata"].get("namespace", "")  # type: ignore[no-any-return]

    @property
    def uid(self) -> str:
        """metadata.uid."""
        return self.value["metadata"]["uid"]  # type: ignore[no-any-return]

    @property
    def metadata(self) -> JsonObject:
        """All of metadata."""
        return self.value["metadata"]  # type: ignore[no-any-return]

    @property
    def content(self) -> JsonObject:
        """A new dict of what a writer decides: all but resourceVersion and managedFields."""
        metadata = {key: item for key, item in self.metadata.items() if key not in _SEAL}
        return self.value | {"metadata": metadata}

    @classmethod
    def seal(cls, content: JsonObject, revision: int, entries: tuple[Entry, ...]) -> Self:
        """Return the object that `content` becomes at a revision."""
        metadata = content["metadata"] | {"resourceVersion": str(revision)}
        if entries:
            metadata["managedFields"] = [entry.as_object() for entry in entries]
        return cls(content | {"metadata": metadata}, revision, entries)

    @cached_property
    def json(self) -> bytes:
        """The object's JSON text."""
        return to_json(self.value)

    @cached_property
    def item_json(self) -> bytes:
        """The JSON text without kind and apiVersion, as lists of built-in kinds hold it."""
        return to_json({key: item for key, item in self.value.items() if key not in ("kind", "apiVersion")})

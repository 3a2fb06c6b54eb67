"""What the store has to know about a kind, and which kinds are served."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.local.embedded.schemas import Schema
from core.local.embedded.statuses import Cause, Target

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
    `ends_in_phases`: it is a namespace, which ends by status.phase.
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

"""The state behind the API: objects, their owners and their past, revisions, clock.

Pure and synchronous: time, uids and randomness come from outside, so a simulation can drive it step by step.
Objects at rest are never changed in place, so every reader may share them. The past is kept for reads that lag and
for watches that catch up. The rules of each write are in the module writes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any, Self

from pydantic_core import to_json

from core.local.embedded.kinds import Kind
from core.local.embedded.statuses import Target, expired, internal, not_found, too_new

JsonObject = dict[str, Any]
Predicate = Callable[[JsonObject], bool]


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


_SEAL = frozenset(("resourceVersion", "managedFields"))


@dataclass(frozen=True)
class Stored:
    """One object at one revision, with its JSON text made once, when somebody asks.

    `given` is what no writer wrote: etcd does not hold it, the definition's defaults make it at each read.
    """

    value: JsonObject
    revision: int
    entries: tuple[Entry, ...] = field(default=(), repr=False)
    given: JsonObject = field(default_factory=dict, repr=False)

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


_KEPT_CHANGES = 20_000  # per kind; some MiB at the worst


@dataclass(frozen=True, slots=True)
class Lag:
    """How far reads with resourceVersion=0 trail behind.

    They see nothing of the last `seconds` and nothing of the last `writes` to the kind.
    """

    seconds: float = 0.0
    writes: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One commit. `before` is None for a creation; `after` is None for a deletion, `last` then has its revision."""

    revision: int
    at: datetime
    before: Stored | None
    after: Stored | None
    last: Stored


class Collection:
    """All objects of one kind by namespace and name."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Stored]] = {}
        self._changes: list[Change] = []
        self._dropped_revision = 0
        self._observers: list[Callable[[Change], None]] = []

    def get(self, namespace: str, name: str) -> Stored | None:
        """Return the current object."""
        return self._objects.get(namespace, {}).get(name)

    def current(self, namespace: str) -> list[Stored]:
        """Return the objects of a namespace, of all namespaces where it is empty; in no order."""
        return list(self._select(namespace))

    def commit(self, change: Change) -> None:
        """Make a change and tell the observers."""
        space = self._objects.setdefault(change.last.namespace, {})
        if change.after is None:
            del space[change.last.name]
        else:
            space[change.last.name] = change.after
        self._changes.append(change)
        if len(self._changes) > 2 * _KEPT_CHANGES:
            self._forget_oldest()
        for observer in tuple(self._observers):
            observer(change)

    def observe(self, observer: Callable[[Change], None]) -> Callable[[], None]:
        """Call `observer` after each commit until the returned function is called."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def unseen(self, lag: Lag, *, now: datetime, at_least: int = 0) -> list[Change]:
        """Return the changes that a reader with that lag has not seen, except those up to revision `at_least`."""
        horizon = now - timedelta(seconds=lag.seconds)
        index = len(self._changes)
        while index and self._changes[index - 1].revision > at_least:
            late = lag.seconds > 0 and self._changes[index - 1].at > horizon
            if not late and len(self._changes) - index >= lag.writes:
                break
            index -= 1
        return self._changes[index:]

    def without(self, unseen: Sequence[Change], namespace: str) -> list[Stored]:
        """Return the objects as they were before the `unseen` changes."""
        if not unseen:
            return self.current(namespace)
        objects = {(stored.namespace, stored.name): stored for stored in self._select(namespace)}
        for change in reversed(unseen):
            key = (change.last.namespace, change.last.name)
            if namespace and key[0] != namespace:
                continue
            objects.pop(key, None)
            if change.before is not None:
                objects[key] = change.before
        return list(objects.values())

    def since(self, revision: int) -> list[Change]:
        """Return the changes after a revision; 410 when they are no longer all kept."""
        if revision < self._dropped_revision:
            raise expired(f"too old resource version: {revision} ({self._dropped_revision})")
        return [change for change in self._changes if change.revision > revision]

    def forget(self, revision: int) -> None:
        """Drop the past up to a revision, as the API server does after five minutes."""
        self._changes = [change for change in self._changes if change.revision > revision]
        self._dropped_revision = max(self._dropped_revision, revision)

    def _forget_oldest(self) -> None:
        self.forget(self._changes[-_KEPT_CHANGES - 1].revision)

    def _select(self, namespace: str) -> Iterator[Stored]:
        spaces = [self._objects.get(namespace, {})] if namespace else self._objects.values()
        for space in spaces:
            yield from space.values()


NAMESPACES = Target("", "namespaces")
_MAX_STORED = 1_572_864  # bytes; etcd's limit for one request
_MAX_SENT = 2_097_152  # of the API server's client to etcd


@dataclass(frozen=True, slots=True)
class Listing:
    """What a LIST finds, in the order of namespace and name, and the revision it shows."""

    items: list[Stored]
    revision: int


class Store:
    """All objects of all kinds under one revision counter."""

    def __init__(
        self, *, now: Callable[[], datetime], new_uid: Callable[[], str], random: Random, lag: Lag | None = None
    ) -> None:
        self.now = now
        self.new_uid = new_uid
        self.random = random
        self._collections: dict[Target, Collection] = {}
        self.revision = 0
        self.lag = lag or Lag()

    def collection(self, kind: Kind) -> Collection:
        """Return the objects of a kind."""
        return self._collections.setdefault(kind.resource, Collection())

    def get(self, kind: Kind, namespace: str, name: str, *, at_least: int | None = None) -> Stored:
        """Return one object; `at_least` as in `list`. Raises ApiError 404, 504."""
        unseen = self._unseen(kind, at_least)
        found = self.collection(kind).get(namespace, name)
        if unseen:
            seen = self.collection(kind).without(unseen, namespace)
            found = next((stored for stored in seen if stored.name == name), None)
        if found is None:
            raise not_found(kind.resource, name)
        return found

    def list(
        self, kind: Kind, namespace: str, *, where: Iterable[Predicate] = (), at_least: int | None = None
    ) -> Listing:
        """Return the objects that match.

        `at_least` None is a consistent read; otherwise the view may lag, but shows that revision.
        Raises ApiError 504 for a revision that was never reached.
        """
        unseen = self._unseen(kind, at_least)
        conditions = list(where)
        items = [
            stored
            for stored in self.collection(kind).without(unseen, namespace)
            if all(condition(stored.value) for condition in conditions)
        ]
        items.sort(key=lambda stored: (stored.namespace, stored.name))
        return Listing(items, unseen[0].revision - 1 if unseen else self.revision)

    def _unseen(self, kind: Kind, at_least: int | None) -> Sequence[Change]:
        if at_least is None:
            return ()
        if at_least > self.revision:
            raise too_new(at_least, self.revision)
        return self.collection(kind).unseen(self.lag, now=self.now(), at_least=at_least)

    def namespace(self, name: str) -> Stored | None:
        """Return a namespace, None when there is none of that name."""
        return self._collections.setdefault(NAMESPACES, Collection()).get("", name)

    def timestamp(self) -> str:
        """Return the time as the server writes it: RFC 3339, whole seconds."""
        return self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def write(self, kind: Kind, before: Stored | None, content: JsonObject, author: Author | None) -> Stored:
        """Commit an object and return it; an update that changes nothing commits nothing.

        The first one after a CREATE always does: it writes the defaults that were only made at reads before.
        `content` has no resourceVersion and no managedFields. Without an `author`, ownership stays as it is.
        Raises ApiError 500 for an object that is too large.
        """
        if before and before.content == content and not before.given:
            return before
        after = self.sealed(kind, before, content, author, revision=self.revision + 1)
        if len(after.json) > _MAX_SENT:
            raise internal(
                "rpc error: code = ResourceExhausted desc = trying to send message larger than max "
                f"({len(after.json)} vs. {_MAX_SENT})"
            )
        if len(after.json) > _MAX_STORED:
            raise internal("etcdserver: request is too large")
        self.revision += 1
        self.collection(kind).commit(Change(self.revision, self.now(), before, after, after))
        return after

    def sealed(
        self, kind: Kind, before: Stored | None, content: JsonObject, author: Author | None, *, revision: int
    ) -> Stored:
        """Return what a write makes of an object, ownership included, without committing it."""
        given = {} if before else _given(kind, content)
        old, entries = (before.content, before.entries) if before else (given, ())
        if author:
            entries = updated(entries, old=old, new=content, author=author, time=self.timestamp(), custom=kind.custom)
        return replace(Stored.seal(content, revision, entries), given=given)

    def remove(self, kind: Kind, before: Stored) -> None:
        """Commit a deletion."""
        self.revision += 1
        last = Stored.seal(before.content, self.revision, before.entries)
        self.collection(kind).commit(Change(self.revision, self.now(), before, None, last))


def _given(kind: Kind, created: JsonObject) -> JsonObject:
    """What of a new object nobody wrote: its status, which the definition's defaults made when it was read."""
    return {"status": created["status"]} if kind.custom and kind.status_subresource and "status" in created else {}

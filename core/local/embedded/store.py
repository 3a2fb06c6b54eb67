"""The state behind the API: objects, revisions, clock.

Pure and synchronous: time, uids and randomness come from outside, so a simulation can drive it step by step.
The rules of each write are in the modules creation, updating and deletion.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from core.local.embedded.history import Change, Collection, Lag
from core.local.embedded.kinds import Kind
from core.local.embedded.ownership import Author, updated
from core.local.embedded.selectors import Predicate
from core.local.embedded.statuses import Target, internal, not_found, too_new
from core.local.embedded.stored import Stored

JsonObject = dict[str, Any]

NAMESPACES = Target("", "namespaces")
_MAX_STORED = 1_572_864  # bytes; etcd's limit for one request


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

        `content` has no resourceVersion and no managedFields. Without an `author`, ownership stays as it is.
        Raises ApiError 500 for an object that is too large.
        """
        if before and before.content == content:
            return before
        after = self.sealed(kind, before, content, author, revision=self.revision + 1)
        if len(after.json) > _MAX_STORED:
            raise internal("etcdserver: request is too large")
        self.revision += 1
        self.collection(kind).commit(Change(self.revision, self.now(), before, after, after))
        return after

    def sealed(
        self, kind: Kind, before: Stored | None, content: JsonObject, author: Author | None, *, revision: int
    ) -> Stored:
        """Return what a write makes of an object, ownership included, without committing it."""
        old, entries = (before.content, before.entries) if before else ({}, ())
        if author:
            entries = updated(entries, old=old, new=content, author=author, time=self.timestamp(), custom=kind.custom)
        return Stored.seal(content, revision, entries)

    def remove(self, kind: Kind, before: Stored) -> None:
        """Commit a deletion."""
        self.revision += 1
        last = Stored.seal(before.content, self.revision, before.entries)
        self.collection(kind).commit(Change(self.revision, self.now(), before, None, last))

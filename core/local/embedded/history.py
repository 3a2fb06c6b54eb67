"""The objects of one kind, and their past: for reads that lag and watches that catch up."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.local.embedded.statuses import expired
from core.local.embedded.stored import Stored

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

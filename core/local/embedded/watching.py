"""WATCH: changes as they happen, from a revision on."""

from collections.abc import Callable, Iterator

from pydantic_core import to_json

from core.local.embedded.history import Change
from core.local.embedded.kinds import Kind
from core.local.embedded.selectors import Predicate
from core.local.embedded.statuses import ApiError
from core.local.embedded.store import Store
from core.local.embedded.stored import Stored


class Watch:
    """One open watch. `start` gives what to send first and then calls `send` for each event, a JSON line."""

    def __init__(self, store: Store, kind: Kind, namespace: str, *, where: list[Predicate], since: int | None) -> None:
        self._store = store
        self._kind = kind
        self._namespace = namespace
        self._where = where
        self._since = since

    def start(self, send: Callable[[bytes], None]) -> tuple[list[bytes], Callable[[], None]]:
        """Return the lines to send at once, and a function that ends the watch."""
        collection = self._store.collection(self._kind)
        try:
            first = list(self._first_lines())
        except ApiError as error:
            # The API server, too, answers 200 and says so inside the stream.
            return [_line("ERROR", to_json(error.status()))], lambda: None
        return first, collection.observe(lambda change: self._forward(change, send))

    def _first_lines(self) -> Iterator[bytes]:
        if not self._since:
            listing = self._store.list(self._kind, self._namespace, where=self._where)
            yield from (_line("ADDED", stored.json) for stored in listing.items)
            return
        for change in self._store.collection(self._kind).since(self._since):
            yield from self._lines(change)

    def _forward(self, change: Change, send: Callable[[bytes], None]) -> None:
        for line in self._lines(change):
            send(line)

    def _lines(self, change: Change) -> Iterator[bytes]:
        if self._namespace and change.last.namespace != self._namespace:
            return
        before, after = self._matches(change.before), self._matches(change.after)
        if after:
            yield _line("MODIFIED" if before else "ADDED", change.last.json)
        elif before:
            yield _line("DELETED", change.last.json)

    def _matches(self, stored: Stored | None) -> bool:
        return stored is not None and all(condition(stored.value) for condition in self._where)


def _line(event: str, obj: bytes) -> bytes:
    return b'{"type":"' + event.encode() + b'","object":' + obj + b"}\n"

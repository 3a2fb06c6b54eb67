"""What a reader selects, and WATCH: changes as they happen, from a revision on."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic_core import to_json

from core.local.embedded.kinds import Kind
from core.local.embedded.statuses import ApiError, bad_request
from core.local.embedded.store import Change, Predicate, Store, Stored
from core.local.embedded.tables import table

JsonObject = dict[str, Any]
_FIELD_TERM = re.compile(r"^(?P<field>[^=!]+)(?P<operator>==|!=|=)(?P<value>.*)$")
_LABEL_TERM = re.compile(
    r"^\s*(?:(?P<absent>!)\s*(?P<absent_key>[\w./-]+)"
    r"|(?P<key>[\w./-]+)\s*(?:(?P<operator>==|!=|=)\s*(?P<value>[\w.-]*)"
    r"|\s(?P<set_operator>in|notin)\s*\((?P<values>[^()]*)\))?)\s*$"
)
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")


def field_selector(text: str, fields: Mapping[str, tuple[str, ...]], *, custom: bool) -> list[Predicate]:
    """Return the conditions of a field selector.

    Raises:
        ApiError: 400 for a selector that cannot be read, or a field that cannot be selected by.
    """
    return [_field_condition(term, text, fields, custom=custom) for term in text.split(",") if term]


def _field_condition(term: str, text: str, fields: Mapping[str, tuple[str, ...]], *, custom: bool) -> Predicate:
    match = _FIELD_TERM.match(term)
    if match is None:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
    field, wanted = match["field"], match["value"]
    if field not in fields:
        raise bad_request(_unknown_field(field, fields, custom=custom))
    path, equal = fields[field], match["operator"] != "!="
    return lambda obj: (field_text(obj, path) == wanted) is equal


def _unknown_field(field: str, fields: Mapping[str, tuple[str, ...]], *, custom: bool) -> str:
    standard = ("metadata.name", "metadata.namespace")
    if custom or set(fields) - set(standard):
        return f"field label not supported: {field}"
    known = ", ".join(f'"{name}"' for name in standard)
    return f'"{field}" is not a known field selector: only {known}'


def field_text(obj: Any, path: tuple[str, ...]) -> str:
    """Return a field as selectors compare it: absent is empty, booleans in lower case."""
    for name in path:
        obj = obj.get(name) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)


def label_selector(text: str) -> list[Predicate]:
    """Return the conditions of a label selector.

    Raises:
        ApiError: 400 for a selector that cannot be read.
    """
    return [_label_condition(term) for term in _COMMA_OUTSIDE_PARENTHESES.split(text) if term.strip()]


def _label_condition(term: str) -> Predicate:
    match = _LABEL_TERM.match(term)
    if match is None:
        raise bad_request(f"unable to parse requirement: {term.strip()}")
    if match["absent"]:
        return _absent(match["absent_key"])
    if match["operator"]:
        return _label_in(match["key"], {match["value"]}, wanted=match["operator"] != "!=")
    if match["set_operator"]:
        values = {value.strip() for value in match["values"].split(",")}
        return _label_in(match["key"], values, wanted=match["set_operator"] == "in")
    absent = _absent(match["key"])
    return lambda obj: not absent(obj)


def _absent(key: str) -> Predicate:
    return lambda obj: key not in (obj["metadata"].get("labels") or {})


def _label_in(key: str, values: set[str], *, wanted: bool) -> Predicate:
    return lambda obj: ((obj["metadata"].get("labels") or {}).get(key) in values) is wanted


def whole(stored: Stored) -> bytes:
    """Show an object as it is."""
    return stored.json


class TableRows:
    """Shows each object as a table of one row, the first one with the columns' definitions."""

    def __init__(self, store: Store, kind: Kind, *, include: str) -> None:
        self._store = store
        self._columns = kind.columns
        self._include = include
        self._headed = True

    def __call__(self, stored: Stored) -> bytes:
        """Return the table as JSON."""
        shown = table(
            self._columns,
            [stored.value],
            revision=str(stored.revision),
            include=self._include,
            now=self._store.now(),
            headed=self._headed,
        )
        self._headed = False
        return to_json(shown)


class Watch:
    """One open watch. `start` gives what to send first and then calls `send` for each event, a JSON line.

    `initial_events`: all that there is comes first, and then a bookmark that says so (KEP-3157).
    """

    def __init__(
        self,
        store: Store,
        kind: Kind,
        namespace: str,
        *,
        where: list[Predicate],
        since: int | None,
        shown: Callable[[Stored], bytes] = whole,
        initial_events: bool = False,
    ) -> None:
        self._initial_events = initial_events
        self._shown = shown
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
        if not self._since or self._initial_events:
            listing = self._store.list(self._kind, self._namespace, where=self._where)
            yield from (_line("ADDED", self._shown(stored)) for stored in listing.items)
            if self._initial_events:
                yield _line("BOOKMARK", to_json(self._end_of_initial_events(listing.revision)))
            return
        for change in self._store.collection(self._kind).since(self._since):
            yield from self._lines(change)

    def _end_of_initial_events(self, revision: int) -> JsonObject:
        said = {"resourceVersion": str(revision), "annotations": {"k8s.io/initial-events-end": "true"}}
        return {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": said}

    def _forward(self, change: Change, send: Callable[[bytes], None]) -> None:
        for line in self._lines(change):
            send(line)

    def _lines(self, change: Change) -> Iterator[bytes]:
        if self._namespace and change.last.namespace != self._namespace:
            return
        before, after = self._matches(change.before), self._matches(change.after)
        if after:
            yield _line("MODIFIED" if before else "ADDED", self._shown(change.last))
        elif before:
            yield _line("DELETED", self._shown(change.last))

    def _matches(self, stored: Stored | None) -> bool:
        return stored is not None and all(condition(stored.value) for condition in self._where)


def _line(event: str, obj: bytes) -> bytes:
    return b'{"type":"' + event.encode() + b'","object":' + obj + b"}\n"

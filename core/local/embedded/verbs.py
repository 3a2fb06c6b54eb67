"""Each verb: read from a call, done in the store, answered. What a reader selects, and changes as they happen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jsonpatch import JsonPatch, JsonPatchException
from jsonpointer import JsonPointerException
from pydantic_core import to_json

from core.local.embedded import writes
from core.local.embedded.calls import Answer, Call, ResourcePath
from core.local.embedded.encoding import (
    JSON_HEADERS,
    Form,
    check_kind,
    fitted,
    included,
    json_answer,
    list_answer,
    media_type,
    object_answer,
    parse_body,
    preconditions,
    read_object,
    table_answer,
    wanted_form,
    wants_metadata_only,
    write_options,
)
from core.local.embedded.schemas import quoted
from core.local.embedded.statuses import (
    ApiError,
    Cause,
    DecodeError,
    Target,
    bad_request,
    invalid,
    success,
    unprocessable_patch,
    unsupported_media_type,
)
from core.local.embedded.tables import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from core.local.embedded.kinds import JsonObject, Kind
    from core.local.embedded.store import Change, Predicate, Store, Stored


def get(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Answer one object; ApiError 400, 404, 406, 504."""
    form = wanted_form(call, tables=bool(kind.columns))
    stored = store.get(kind, path.namespace, path.name, at_least=_at_least(call))
    if form is Form.TABLE:
        return table_answer(kind, [stored], revision=stored.revision, include=included(call), now=store.now())
    return object_answer(200, stored, metadata_only=form is Form.METADATA)


def list_objects(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Answer all that a call selects, in one page; ApiError 400, 406, 504."""
    form = wanted_form(call, tables=bool(kind.columns))
    listing = store.list(kind, path.namespace, where=_conditions(call, kind), at_least=_at_least(call))
    if form is Form.TABLE:
        return table_answer(kind, listing.items, revision=listing.revision, include=included(call), now=store.now())
    return list_answer(kind, listing, metadata_only=form is Form.METADATA)


def open_watch(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Watch:
    """Return the watch that a call asks for; ApiError 400."""
    as_table = wanted_form(call, tables=bool(kind.columns)) is Form.TABLE
    shown = TableRows(store, kind, include=included(call)) if as_table else whole
    return Watch(
        store,
        kind,
        path.namespace,
        where=_conditions(call, kind),
        since=_at_least(call),
        shown=shown,
        initial_events=call.query.get("sendInitialEvents") in ("true", "1"),
    )


def watch(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Answer what a watch sends first, for callers that cannot wait for more; ApiError 400."""
    lines, end = open_watch(store, call, path, kind).start(lambda _line: None)
    end()
    return Answer(status=200, body=b"".join(lines), headers=JSON_HEADERS)


def _at_least(call: Call) -> int | None:
    """Return the revision that a read must show at least, None for a consistent read."""
    text = call.query.get("resourceVersion", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{text}": {why}')
    return int(text)


def _conditions(call: Call, kind: Kind) -> list[Predicate]:
    if call.query.get("resourceVersionMatch", "NotOlderThan") != "NotOlderThan":
        raise bad_request("the embedded API knows resourceVersionMatch=NotOlderThan only")
    fields = field_selector(call.query.get("fieldSelector", ""), kind.selectable, custom=kind.custom)
    return fields + label_selector(call.query.get("labelSelector", ""))


def create(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Create what is in the body; ApiError as `writes.create`, and 413, 415."""
    options = write_options(call, "create")
    obj, warnings = read_object(call, kind, directive=options.directive)
    stored = writes.create(store, kind, path.namespace, obj, manager=options.manager)
    return object_answer(201, stored, metadata_only=wants_metadata_only(call), warnings=warnings)


def update(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Replace an object, or its status, by the body; ApiError as `writes.update`, and 413, 415."""
    options = write_options(call, "update")
    obj, warnings = read_object(call, kind, directive=options.directive)
    place = {"name": path.name, "subresource": path.subresource, "manager": options.manager}
    stored, created = writes.update(store, kind, path.namespace, obj, **place)
    status = 201 if created else 200
    return object_answer(status, stored, metadata_only=wants_metadata_only(call), warnings=warnings)


def merged(target: Any, patch: Any) -> Any:
    """Return `target` after a merge patch (RFC 7396); what the patch does not touch is shared with it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _json_patched(target: Any, operations: list[Any]) -> Any:
    """Return `target` after a JSON patch (RFC 6902); 422 for an operation that does not fit, a failed test included."""
    try:
        return JsonPatch(operations).apply(target)
    except (JsonPatchException, JsonPointerException) as error:
        raise unprocessable_patch() from error


def merge_patch(body: Any) -> Callable[[Any], Any]:
    """Return the change that a merge patch makes; 400 for a body that is no object."""
    if not isinstance(body, dict):
        raise _undecodable(body, "map[string]interface {}")
    return lambda target: merged(target, body)


def strategic_patch(body: Any) -> Callable[[Any], Any]:
    """Return the change that a strategic merge patch makes, where it is the same as a merge patch: without lists.

    Raises ApiError 400 for one with a list or a directive, which would need each field's merge key.
    """
    if _needs_merge_keys(body):
        why = "the embedded API knows no lists and no directives in strategic merge patches"
        raise bad_request(f"{why}: send a merge patch (kubectl patch --type=merge)")
    return merge_patch(body)


def _needs_merge_keys(patch: Any) -> bool:
    if isinstance(patch, dict):
        return any(key.startswith("$") or _needs_merge_keys(item) for key, item in patch.items())
    return isinstance(patch, list)


def json_patch(body: Any) -> Callable[[Any], Any]:
    """Return the change that a JSON patch makes; 400 for a body that is no list."""
    if not isinstance(body, list):
        raise _undecodable(body, "[]handlers.jsonPatchOp")
    return lambda target: _json_patched(target, body)


def _undecodable(value: Any, go_type: str) -> ApiError:
    found = {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")
    return bad_request(f"error decoding patch: json: cannot unmarshal {found} into Go value of type {go_type}")


_PATCHES = {"application/json-patch+json": json_patch, "application/merge-patch+json": merge_patch}
_STRATEGIC = {"application/strategic-merge-patch+json": strategic_patch}


def patch(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Change an object, or its status, as the body says; ApiError as `writes.patch`, and 413, 415."""
    options = write_options(call, "patch")
    patches = _PATCHES if kind.custom else _PATCHES | _STRATEGIC
    read = patches.get(media_type(call))
    if read is None:
        # Apply patches are not known here either, but so the API server words it.
        raise unsupported_media_type(", ".join((*patches, "application/apply-patch+yaml")))
    change = read(parse_body(call, context="error decoding patch: "))
    warnings: list[str] = []

    def patched(old: JsonObject) -> JsonObject:
        obj, said = _fitted(change(old), kind, options.directive)
        warnings.extend(said)
        return obj

    place = {"name": path.name, "subresource": path.subresource, "manager": options.manager}
    stored = writes.patch(store, kind, path.namespace, patched, **place)
    return object_answer(200, stored, metadata_only=wants_metadata_only(call), warnings=warnings)


def delete(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Delete an object; ApiError as `writes.delete`, and 400, 413, 415 for its options."""
    stored, gone = writes.delete(store, kind, path.namespace, path.name, preconditions=preconditions(call))
    if gone and not kind.returns_deleted:
        return json_answer(200, success(kind.resource, stored.name, stored.uid))
    return object_answer(200, stored, metadata_only=False)


def _fitted(obj: JsonObject, kind: Kind, directive: str) -> tuple[JsonObject, list[str]]:
    """Return a patched object, fitted to its kind, and warnings; ApiError 422 when it can no longer be read."""
    try:
        check_kind(obj, kind)
        return fitted(obj, kind, directive=directive)
    except DecodeError as error:
        cause = Cause("FieldValueInvalid", f"Invalid value: {quoted(to_json(obj).decode())}: {error}", "patch")
        raise invalid(Target("", ""), "", [cause]) from error


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

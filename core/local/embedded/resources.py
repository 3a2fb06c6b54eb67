"""Requests about objects: each verb read from a call, done in the store, and answered."""

from typing import TYPE_CHECKING

from core.local.embedded import bodies
from core.local.embedded.calls import Answer, Call
from core.local.embedded.creation import create
from core.local.embedded.decoding import DecodeError, unmarshal_error
from core.local.embedded.deletion import delete
from core.local.embedded.kinds import JsonObject, Kind
from core.local.embedded.patches import JSON_PATCH, MERGE_PATCH, json_patch, merge_patch
from core.local.embedded.paths import ResourcePath
from core.local.embedded.representations import json_answer, list_answer, object_answer, wants_metadata_only
from core.local.embedded.selectors import Predicate, field_selector, label_selector
from core.local.embedded.statuses import (
    Cause,
    Target,
    bad_request,
    invalid,
    method_not_allowed,
    success,
    unsupported_media_type,
)
from core.local.embedded.store import Store
from core.local.embedded.stored import Stored
from core.local.embedded.updating import patch, update
from core.local.embedded.violations import quoted
from core.local.embedded.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

from pydantic_core import to_json

_PATCHES = {MERGE_PATCH: merge_patch, JSON_PATCH: json_patch}
_MAX_MANAGER = 128


class Resources:
    """All verbs on stored objects. Raises ApiError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._verbs: dict[str, Callable[[Call, ResourcePath, Kind], Answer]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch_once,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
        }

    def answer(self, verb: str, call: Call, path: ResourcePath, kind: Kind) -> Answer:
        """Do what a call asks for."""
        if "dryRun" in call.query:
            raise bad_request("the embedded API knows no dryRun; leave it out")
        if verb not in self._verbs:
            raise method_not_allowed()
        return self._verbs[verb](call, path, kind)

    def watch(self, call: Call, path: ResourcePath, kind: Kind) -> Watch:
        """Return the watch that a call asks for."""
        since = _revision(call.query.get("resourceVersion", ""))
        return Watch(self._store, kind, path.namespace, where=_conditions(call, kind), since=since)

    def _watch_once(self, call: Call, path: ResourcePath, kind: Kind) -> Answer:
        """Answer what a watch sends first, for callers that cannot wait for more."""
        lines, end = self.watch(call, path, kind).start(lambda _line: None)
        end()
        return Answer(status=200, body=b"".join(lines), headers={"Content-Type": "application/json"})

    def _get(self, call: Call, path: ResourcePath, kind: Kind) -> Answer:
        metadata_only = wants_metadata_only(call.headers.get("accept", ""))
        at_least = _revision(call.query.get("resourceVersion", ""))
        stored = self._store.get(kind, path.namespace, path.name, at_least=at_least)
        return object_answer(200, stored, metadata_only=metadata_only)

    def _list(self, call: Call, path: ResourcePath, kind: Kind) -> Answer:
        metadata_only = wants_metadata_only(call.headers.get("accept", ""))
        listing = self._store.list(
            kind,
            path.namespace,
            where=_conditions(call, kind),
            at_least=_revision(call.query.get("resourceVersion", "")),
        )
        return list_answer(kind, listing, metadata_only=metadata_only)

    def _create(self, call: Call, path: ResourcePath, kind: Kind) -> Answer:
        obj, warnings = bodies.read_object(call, kind)
        stored = create(self._store, kind, path.namespace, obj, manager=_manager(call))
        return _written(201, call, stored, warnings)

    def _update(self, call: Call, path: ResourcePath, kind: Kind) -> Answer:
        obj, warnings = bodies.read_object(call, kind)
        stored, created = update(
            self._store,
            kind,
            path.namespace,
            obj,
            name=path.name,
            subresource=path.subresource,
            manager=_manager(call),
        )
        return _written(201 if created else 200, call, stored, warnings)

    def _patch(self, call: Call, path: ResourcePath, kind: Kind) -> Answer:
        read = _PATCHES.get(bodies.media_type(call))
        if read is None:
            raise unsupported_media_type(", ".join((JSON_PATCH, MERGE_PATCH, "application/apply-patch+yaml")))
        change = read(bodies.parse(call, context="error decoding patch: "))
        warnings: list[str] = []

        def patched(old: JsonObject) -> JsonObject:
            obj, said = _fitted(change(old), kind, call.query.get("fieldValidation", ""))
            warnings.extend(said)
            return obj

        stored = patch(
            self._store,
            kind,
            path.namespace,
            patched,
            name=path.name,
            subresource=path.subresource,
            manager=_manager(call),
        )
        return _written(200, call, stored, warnings)

    def _delete(self, call: Call, path: ResourcePath, kind: Kind) -> Answer:
        options = _delete_options(call)
        stored, gone = delete(self._store, kind, path.namespace, path.name, preconditions=options)
        if gone and not kind.returns_deleted:
            return json_answer(200, success(kind.resource, stored.name, stored.uid))
        return object_answer(200, stored, metadata_only=False)


def _fitted(obj: JsonObject, kind: Kind, directive: str) -> tuple[JsonObject, list[str]]:
    """Return a patched object, fitted to its kind, and warnings; ApiError 422 when it can no longer be read."""
    try:
        bodies.check_kind(obj, kind)
        return bodies.fitted(obj, kind, directive=directive)
    except DecodeError as error:
        cause = Cause("FieldValueInvalid", f"Invalid value: {quoted(to_json(obj).decode())}: {error}", "patch")
        raise invalid(Target("", ""), "", [cause]) from error


def _delete_options(call: Call) -> dict[str, str]:
    """Return the preconditions of a DELETE; ApiError 400, 415, and for what would be ignored otherwise."""
    options = bodies.parse_object(call, context="") if call.body else {}
    if options.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request(f'no kind "{options["kind"]}" is registered for version "v1"')
    if options.get("propagationPolicy", "Background") != "Background" or "dryRun" in options:
        raise bad_request("the embedded API deletes in the background only, and knows no dryRun")
    preconditions: dict[str, str] = {}
    for field, value in (options.get("preconditions") or {}).items():
        if not isinstance(value, str):
            raise bad_request(str(unmarshal_error(value, f"struct field Preconditions.preconditions.{field}")))
        preconditions[field] = value
    return preconditions


def _written(status: int, call: Call, stored: Stored, warnings: list[str]) -> Answer:
    metadata_only = wants_metadata_only(call.headers.get("accept", ""))
    return object_answer(status, stored, metadata_only=metadata_only, warnings=warnings)


def _revision(text: str) -> int | None:
    """Return the revision that a read must show at least, None for a consistent read."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{text}": {why}')
    return int(text)


def _conditions(call: Call, kind: Kind) -> list[Predicate]:
    fields = field_selector(call.query.get("fieldSelector", ""), kind.selectable, custom=kind.custom)
    return fields + label_selector(call.query.get("labelSelector", ""))


def _manager(call: Call) -> str:
    """Return the field manager: named in the query, else the first part of the user agent."""
    agent = call.headers.get("user-agent", "").partition("/")[0]
    printable = "".join(letter for letter in agent if letter.isprintable())
    return call.query.get("fieldManager") or printable[:_MAX_MANAGER] or "unknown"

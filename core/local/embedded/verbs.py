"""Each verb: read from a call, done in the store, answered."""

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
from core.local.embedded.kinds import JsonObject, Kind
from core.local.embedded.patches import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    json_patch,
    merge_patch,
    strategic_patch,
)
from core.local.embedded.reads import TableRows, Watch, field_selector, label_selector, whole
from core.local.embedded.schemas import quoted
from core.local.embedded.statuses import (
    Cause,
    DecodeError,
    Target,
    bad_request,
    invalid,
    success,
    unsupported_media_type,
)
from core.local.embedded.store import Predicate, Store


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


_PATCHES = {JSON_PATCH: json_patch, MERGE_PATCH: merge_patch}


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


def patch(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Change an object, or its status, as the body says; ApiError as `writes.patch`, and 413, 415."""
    options = write_options(call, "patch")
    patches = _PATCHES if kind.custom else _PATCHES | {STRATEGIC_PATCH: strategic_patch}
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

"""CREATE, Update, PATCH and DELETE: read from a call, done in the store, answered."""

from pydantic_core import to_json

from core.local.embedded import bodies, creation, deletion, updating
from core.local.embedded.calls import Answer, Call
from core.local.embedded.decoding import DecodeError
from core.local.embedded.kinds import JsonObject, Kind
from core.local.embedded.options import preconditions, write_options
from core.local.embedded.patches import JSON_PATCH, MERGE_PATCH, json_patch, merge_patch
from core.local.embedded.paths import ResourcePath
from core.local.embedded.representations import json_answer, object_answer, wants_metadata_only
from core.local.embedded.statuses import Cause, Target, invalid, success, unsupported_media_type
from core.local.embedded.store import Store
from core.local.embedded.violations import quoted

_PATCHES = {JSON_PATCH: json_patch, MERGE_PATCH: merge_patch}


def create(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Create what is in the body; ApiError as `creation.create`, and 413, 415."""
    options = write_options(call, "create")
    obj, warnings = bodies.read_object(call, kind, directive=options.directive)
    stored = creation.create(store, kind, path.namespace, obj, manager=options.manager)
    return object_answer(201, stored, metadata_only=wants_metadata_only(call), warnings=warnings)


def update(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Replace an object, or its status, by the body; ApiError as `updating.update`, and 413, 415."""
    options = write_options(call, "update")
    obj, warnings = bodies.read_object(call, kind, directive=options.directive)
    place = {"name": path.name, "subresource": path.subresource, "manager": options.manager}
    stored, created = updating.update(store, kind, path.namespace, obj, **place)
    status = 201 if created else 200
    return object_answer(status, stored, metadata_only=wants_metadata_only(call), warnings=warnings)


def patch(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Change an object, or its status, as the body says; ApiError as `updating.patch`, and 413, 415."""
    options = write_options(call, "patch")
    read = _PATCHES.get(bodies.media_type(call))
    if read is None:
        # Apply patches are not known here either, but so the API server words it.
        raise unsupported_media_type(", ".join((*_PATCHES, "application/apply-patch+yaml")))
    change = read(bodies.parse(call, context="error decoding patch: "))
    warnings: list[str] = []

    def patched(old: JsonObject) -> JsonObject:
        obj, said = _fitted(change(old), kind, options.directive)
        warnings.extend(said)
        return obj

    place = {"name": path.name, "subresource": path.subresource, "manager": options.manager}
    stored = updating.patch(store, kind, path.namespace, patched, **place)
    return object_answer(200, stored, metadata_only=wants_metadata_only(call), warnings=warnings)


def delete(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Delete an object; ApiError as `deletion.delete`, and 400, 413, 415 for its options."""
    stored, gone = deletion.delete(store, kind, path.namespace, path.name, preconditions=preconditions(call))
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

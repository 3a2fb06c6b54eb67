"""Update (PUT) and PATCH, of objects and of their status."""

from collections.abc import Callable
from typing import Any

from core.local.embedded import objectmeta
from core.local.embedded.checking import check
from core.local.embedded.creation import create
from core.local.embedded.kinds import Kind
from core.local.embedded.ownership import Author
from core.local.embedded.statuses import Cause, bad_request, conflict, invalid, not_found
from core.local.embedded.store import Store
from core.local.embedded.stored import Stored

JsonObject = dict[str, Any]

STATUS = "status"


def update(
    store: Store,
    kind: Kind,
    namespace: str,
    body: JsonObject,
    *,
    name: str,
    subresource: str = "",
    manager: str,
) -> tuple[Stored, bool]:
    """Replace an object and return it, and whether it was created: some kinds allow that.

    Raises:
        ApiError: 400, 404, 409 (another uid or resourceVersion), 422.
    """
    _check_name(body["metadata"], name)
    old = store.collection(kind).get(namespace, name)
    if old is None and not kind.creates_on_update:
        raise not_found(kind.resource, name)
    _check_uid(kind, namespace, name, asked=body["metadata"].get("uid", ""), found=old.uid if old else "")
    if old is None:
        # Unlike a CREATE, this one does not mind a resourceVersion.
        metadata = {key: item for key, item in body["metadata"].items() if key != "resourceVersion"}
        return create(store, kind, namespace, body | {"metadata": metadata}, manager=manager), True
    return _replace(store, kind, old, body, subresource=subresource, manager=manager), False


def patch(
    store: Store,
    kind: Kind,
    namespace: str,
    change: Callable[[JsonObject], JsonObject],
    *,
    name: str,
    subresource: str = "",
    manager: str,
) -> Stored:
    """Apply a change to the current object and return the result.

    A resourceVersion that the change sets must be the current one.

    Raises:
        ApiError: 400, 404, 409, 422.
    """
    old = store.get(kind, namespace, name)
    body = change(old.value)
    _check_name(body["metadata"], name)
    return _replace(store, kind, old, body, subresource=subresource, manager=manager)


def _replace(store: Store, kind: Kind, old: Stored, body: JsonObject, *, subresource: str, manager: str) -> Stored:
    _check_version(kind, old, objectmeta.resource_version(body["metadata"]))
    objectmeta.check_namespace(body["metadata"], kind, old.namespace)
    new = _new_status(old, body) if subresource == STATUS else _new_object(kind, old, body)
    check(kind, new, old.value, subresource=subresource)
    author = Author(manager=manager, api_version=kind.api_version, subresource=subresource)
    if "deletionTimestamp" in old.metadata and not kind.finalizers(new):
        store.remove(kind, old)
        return store.sealed(kind, old, new, author, revision=old.revision)
    return store.write(kind, old, new, author)


def _new_status(old: Stored, body: JsonObject) -> JsonObject:
    new = old.content
    new.pop(STATUS, None)
    return new | ({STATUS: body[STATUS]} if STATUS in body else {})


def _new_object(kind: Kind, old: Stored, body: JsonObject) -> JsonObject:
    new = body | {"metadata": objectmeta.for_update(body["metadata"], old.metadata)}
    if kind.status_subresource:
        new.pop(STATUS, None)
        new |= {STATUS: old.value[STATUS]} if STATUS in old.value else {}
    if kind.counts_generation and _desired(new) != _desired(old.value):
        new["metadata"]["generation"] = old.metadata["generation"] + 1
    return new


def _desired(obj: JsonObject) -> JsonObject:
    return {key: value for key, value in obj.items() if key not in ("metadata", STATUS)}


def _check_name(metadata: JsonObject, name: str) -> None:
    given = metadata.get("name", "")
    if given != name:
        if not given:
            raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")


def _check_uid(kind: Kind, namespace: str, name: str, *, asked: str, found: str) -> None:
    if asked and asked != found:
        why = (
            f"StorageError: invalid object, Code: 4, Key: {kind.storage_key(namespace, name)}, "
            "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
            f"UID in precondition: {asked}, UID in object meta: {found}"
        )
        raise conflict(kind.resource, name, why)


def _check_version(kind: Kind, old: Stored, asked: int) -> None:
    if asked == 0 and not kind.updates_unconditionally:
        missing = Cause(
            "FieldValueInvalid", "Invalid value: 0: must be specified for an update", "metadata.resourceVersion"
        )
        raise invalid(kind.resource, old.name, [missing])
    if asked not in (0, old.revision):
        raise conflict(kind.resource, old.name)

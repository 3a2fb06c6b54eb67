"""CREATE, Update (PUT), PATCH and DELETE of objects in the store, with the rules of each."""

from collections.abc import Callable, Mapping
from typing import Any

from core.local.embedded.encoding import check_namespace, metadata_for_create, metadata_for_update, resource_version
from core.local.embedded.kinds import Kind
from core.local.embedded.statuses import (
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    internal,
    invalid,
    name_not_generated,
    not_found,
)
from core.local.embedded.store import NAMESPACES, Author, Store, Stored
from core.local.embedded.validation import check, generated

JsonObject = dict[str, Any]
_NAME_TRIES = 8


def create(store: Store, kind: Kind, namespace: str, body: JsonObject, *, manager: str) -> Stored:
    """Store a new object and return it.

    Raises:
        ApiError: 400, 403 (the namespace ends), 404 (no such namespace), 409 (the name is taken), 422.
    """
    metadata = body["metadata"]
    check_namespace(metadata, kind, namespace)
    if metadata.get("generateName") and not metadata.get("name"):
        name = _free_name(store, kind, namespace, metadata["generateName"])
        body = body | {"metadata": metadata | {"name": name}}
    new = _prepared(store, kind, namespace, body)
    if kind.namespaced:
        _check_namespace_lives(store, kind, namespace, new["metadata"].get("name", ""))
    check(kind, new, None)
    if resource_version(metadata):
        raise internal("resourceVersion should not be set on objects to be created")
    taken = store.collection(kind).get(new["metadata"].get("namespace", ""), new["metadata"]["name"])
    if taken:
        raise already_exists(kind.resource, taken.name, deleting="deletionTimestamp" in taken.metadata)
    return store.write(kind, None, new, Author(manager=manager, api_version=kind.api_version))


def _free_name(store: Store, kind: Kind, namespace: str, base: str) -> str:
    for _ in range(_NAME_TRIES):
        name = generated(base, store.random)
        if store.collection(kind).get(namespace, name) is None:
            return name
    raise name_not_generated(kind.resource, name)


def _prepared(store: Store, kind: Kind, namespace: str, body: JsonObject) -> JsonObject:
    metadata = metadata_for_create(
        body["metadata"], kind=kind, namespace=namespace, uid=store.new_uid(), time=store.timestamp()
    )
    new = body | {"metadata": metadata}
    if kind.status_subresource:
        new.pop("status", None)
        new, _ = kind.schema.fit(new)  # what the definition gives a status by default
    return kind.prepare(new, store.timestamp())


def _check_namespace_lives(store: Store, kind: Kind, namespace: str, name: str) -> None:
    """As the admission plugin NamespaceLifecycle does."""
    space = store.namespace(namespace)
    if space is None:
        raise not_found(NAMESPACES, namespace)
    if "deletionTimestamp" in space.metadata:
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
        raise forbidden(kind.resource, name, why, causes=[cause])


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
    _check_version(kind, old, resource_version(body["metadata"]))
    check_namespace(body["metadata"], kind, old.namespace)
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
    new = body | {"metadata": metadata_for_update(body["metadata"], old.metadata)}
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


_IMMORTAL = ("default", "kube-system", "kube-public")


def delete(
    store: Store, kind: Kind, namespace: str, name: str, *, preconditions: Mapping[str, str]
) -> tuple[Stored, bool]:
    """Delete an object, or mark it while finalizers hold it; return it and whether it is gone.

    `preconditions` may name a `uid` and a `resourceVersion`.

    Raises:
        ApiError: 403 for a namespace that every cluster has, 404, 409 when a precondition does not hold.
    """
    found = store.get(kind, namespace, name)
    if kind.ends_in_phases and name in _IMMORTAL:
        raise forbidden(kind.resource, name, "this namespace may not be deleted")
    _check_preconditions(kind, found, preconditions)
    if not kind.finalizers(found.value):
        store.remove(kind, found)
        return found, True
    if "deletionTimestamp" in found.metadata:
        return found, False
    return store.write(kind, found, _marked(store, kind, found), author=None), False


def _marked(store: Store, kind: Kind, found: Stored) -> JsonObject:
    content = found.content
    metadata = content["metadata"] | {"deletionTimestamp": store.timestamp()}
    if not kind.ends_in_phases:
        metadata["deletionGracePeriodSeconds"] = 0
    if "generation" in metadata:
        metadata["generation"] += 1
    content["metadata"] = metadata
    if kind.ends_in_phases:
        content["status"] = content.get("status", {}) | {"phase": "Terminating"}
    return content


def _check_preconditions(kind: Kind, found: Stored, preconditions: Mapping[str, str]) -> None:
    uid, version = preconditions.get("uid"), preconditions.get("resourceVersion")
    if uid is not None and uid != found.uid:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record ({found.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(kind.type, found.name, why)
    if version is not None and version != str(found.revision):
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            f"({found.revision}). The object might have been modified"
        )
        raise conflict(kind.type, found.name, why)

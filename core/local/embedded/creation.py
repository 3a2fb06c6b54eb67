"""CREATE."""

from typing import Any

from core.local.embedded import objectmeta
from core.local.embedded.checking import check
from core.local.embedded.kinds import Kind
from core.local.embedded.names import generated
from core.local.embedded.ownership import Author
from core.local.embedded.statuses import (
    Cause,
    already_exists,
    forbidden,
    internal,
    name_not_generated,
    not_found,
)
from core.local.embedded.store import NAMESPACES, Store
from core.local.embedded.stored import Stored

JsonObject = dict[str, Any]

_NAME_TRIES = 8


def create(store: Store, kind: Kind, namespace: str, body: JsonObject, *, manager: str) -> Stored:
    """Store a new object and return it.

    Raises:
        ApiError: 400, 403 (the namespace ends), 404 (no such namespace), 409 (the name is taken), 422.
    """
    metadata = body["metadata"]
    objectmeta.check_namespace(metadata, kind, namespace)
    if metadata.get("generateName") and not metadata.get("name"):
        name = _free_name(store, kind, namespace, metadata["generateName"])
        body = body | {"metadata": metadata | {"name": name}}
    new = _prepared(store, kind, namespace, body)
    if kind.namespaced:
        _check_namespace_lives(store, kind, namespace, new["metadata"].get("name", ""))
    check(kind, new, None)
    if objectmeta.resource_version(metadata):
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
    metadata = objectmeta.for_create(
        body["metadata"], kind=kind, namespace=namespace, uid=store.new_uid(), time=store.timestamp()
    )
    new = body | {"metadata": metadata}
    if kind.status_subresource:
        new.pop("status", None)
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

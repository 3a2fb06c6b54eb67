"""DELETE, with preconditions and finalizers."""

from collections.abc import Mapping
from typing import Any

from core.local.embedded.kinds import Kind
from core.local.embedded.statuses import conflict, forbidden
from core.local.embedded.store import Store
from core.local.embedded.stored import Stored

JsonObject = dict[str, Any]

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

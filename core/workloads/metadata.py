"""Metadata of objects, and nothing else of them (PartialObjectMetadata): their owners and their labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.common.memory import NOTHING_SECONDS, ShortMemory
from core.kube.client import METADATA_ONLY
from core.kube.errors import ForbiddenError, NotFoundError, ResourceNotServedError, UnreadableAnswerError
from core.kube.resources import Resource
from core.signals.signal import TargetResource
from core.workloads.kinds import built_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.common.clock import Clock, Deadline
    from core.kube.client import JsonObject, KubeClient
    from core.kube.resources import ServedKind
    from core.workloads.kinds import Kinds

REMEMBERED_OBJECTS = 10_000

_PODS = Resource("", "v1", "pods", "Pod")
_MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMetadata:
    """What is read of an object.

    `uids` are what it may be called by: its own uid and, where it mirrors a static pod, the one that its kubelet
    gives it. `owners` are those that its ownerReferences name, `controller` the one of them that manages it.
    `dying` is whether it is being deleted. One that is not `readable` is taken to be there, and no more is known.
    """

    uids: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[TargetResource, ...] = ()
    controller: TargetResource | None = None
    dying: bool = False
    readable: bool = True


_UNREADABLE = ObjectMetadata(readable=False)
"""Of a custom kind that no rule lets us read; that stays so until people change it."""


class MetadataReader:
    """Reads objects by name; a quorum read each, remembered for as long as the caller allows.

    What is remembered is what the API server said under a path. What a sender says of an object decides nothing
    for others: a uid it gives is compared, and never a key.
    """

    def __init__(self, *, client: KubeClient, kinds: Kinds, clock: Clock) -> None:
        self._client = client
        self._kinds = kinds
        self._remembered: ShortMemory[str, ObjectMetadata | None] = ShortMemory(
            clock=clock, capacity=REMEMBERED_OBJECTS
        )
        self._nodes: ShortMemory[str, str | None] = ShortMemory(clock=clock, capacity=REMEMBERED_OBJECTS)

    async def read(self, target: TargetResource, *, max_age: float, deadline: Deadline) -> ObjectMetadata | None:
        """Return what is known of `target`, or None where there is no such object.

        There is none either where its kind is not served, or where the object under its name has another uid than
        `target`: the one that is meant is gone, and the name was given again. A custom kind that no rule lets us
        read counts as there. A built-in kind without its rule is an error, which people mend.

        Args:
            target: the object; its uid, where it has one, must be that of the object.
            max_age: seconds an earlier answer may be old.
            deadline: of the request.

        Raises:
            KubernetesError, TransientError: the API server could not be asked, or a rule is missing.
        """
        served = await self._kinds.find(api_version=target.api_version, kind=target.kind, deadline=deadline)
        if served is None:
            return None
        found = await self._get(served, target, max_age, deadline)
        if found is None or not found.readable or _is_meant(target, found):
            return found
        # Made anew since it was read? Asked again, but not for each signal that names a uid of the past.
        found = await self._get(served, target, min(max_age, NOTHING_SECONDS), deadline)
        return found if found is not None and _is_meant(target, found) else None

    async def node_of(self, pod: TargetResource, *, max_age: float, deadline: Deadline) -> str:
        """Return the name of the Node that a Pod runs on; empty where there is no such Pod, or it runs nowhere.

        The metadata alone does not say it: this reads the whole Pod.

        Raises:
            KubernetesError, TransientError: the API server could not be asked, or a rule is missing.
        """
        path = _PODS.path(namespace=pod.namespace, name=pod.name)
        node = await self._nodes.get(path, max_age=max_age, read=lambda: self._read_node_of(pod, deadline))
        return node or ""

    async def _read_node_of(self, pod: TargetResource, deadline: Deadline) -> str | None:
        try:
            reply = await self._client.get(_PODS, namespace=pod.namespace, name=pod.name, deadline=deadline)
        except NotFoundError:
            return None
        spec = reply.obj.get("spec")
        node = spec.get("nodeName") if isinstance(spec, dict) else None
        return node if isinstance(node, str) and node else None

    async def _get(
        self, served: ServedKind, target: TargetResource, max_age: float, deadline: Deadline
    ) -> ObjectMetadata | None:
        namespace = target.namespace if served.namespaced else ""
        path = served.resource.path(namespace=namespace, name=target.name)
        return await self._remembered.get(
            path, max_age=max_age, read=lambda: self._read(served, namespace, target.name, deadline)
        )

    async def _read(self, served: ServedKind, namespace: str, name: str, deadline: Deadline) -> ObjectMetadata | None:
        resource = served.resource
        try:
            reply = await self._client.get(
                resource, namespace=namespace, name=name, deadline=deadline, accept=METADATA_ONLY
            )
        except NotFoundError:
            return None
        except ForbiddenError:
            if built_in(resource.api_version, resource.kind):
                raise
            return _UNREADABLE
        except ResourceNotServedError:
            if built_in(resource.api_version, resource.kind):
                raise
            return None
        return _metadata(reply.obj, namespace, name)


def _is_meant(target: TargetResource, found: ObjectMetadata) -> bool:
    # A kubelet gives its Node's name for a uid.
    return target.uid in ("", target.name) or target.uid in found.uids


def _metadata(obj: JsonObject, namespace: str, name: str) -> ObjectMetadata:
    try:
        metadata: dict[str, Any] = obj["metadata"]
        if metadata["name"] != name:
            raise _other(name)
        references = metadata.get("ownerReferences") or ()
        owners = [(_owner(each, namespace), bool(each.get("controller"))) for each in references]
        return ObjectMetadata(
            uids=frozenset(str(uid) for uid in (metadata.get("uid"), _mirrored(metadata)) if uid),
            labels=dict(metadata.get("labels") or {}),
            owners=tuple(owner for owner, _ in owners),
            controller=next((owner for owner, controls in owners if controls), None),
            dying=bool(metadata.get("deletionTimestamp")),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _other(name) from error


def _other(name: str) -> UnreadableAnswerError:
    return UnreadableAnswerError(f"the API server's answer is not the metadata of {name} that was asked for")


def _mirrored(metadata: dict[str, Any]) -> object:
    return (metadata.get("annotations") or {}).get(_MIRROR)


def _owner(reference: Mapping[str, Any], namespace: str) -> TargetResource:
    known = built_in(str(reference["apiVersion"]), str(reference["kind"]))
    return TargetResource(
        kind=str(reference["kind"]),
        name=str(reference["name"]),
        namespace=namespace if known is None or known.namespaced else "",
        api_version=str(reference["apiVersion"]),
        uid=str(reference.get("uid") or ""),
    )

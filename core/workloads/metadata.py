"""Metadata of objects, and nothing else of them (PartialObjectMetadata): their owners and their labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.kube.client import METADATA_ONLY
from core.kube.errors import ForbiddenError, NotFoundError, ResourceNotServedError, UnreadableAnswerError
from core.models.signal import TargetResource
from core.workloads.cache import ShortMemory
from core.workloads.kinds import Kinds, built_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.clock import Clock, Deadline
    from core.kube.client import JsonObject, KubeClient

REMEMBERED_OBJECTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMetadata:
    """What is read of an object.

    `owners` are those that its ownerReferences name, `controller` the one of them that manages it.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[TargetResource, ...] = ()
    controller: TargetResource | None = None
    unreadable: bool = False  # its kind is not served, or no rule lets us read it


class MetadataReader:
    """Reads objects by name; a quorum read each, remembered for as long as the caller allows."""

    def __init__(self, *, client: KubeClient, clock: Clock) -> None:
        self._client = client
        self._kinds = Kinds(client=client, clock=clock)
        self._remembered: ShortMemory[tuple[str, ...], ObjectMetadata | None] = ShortMemory(
            clock=clock, capacity=REMEMBERED_OBJECTS
        )

    async def read(self, target: TargetResource, *, max_age: float, deadline: Deadline) -> ObjectMetadata | None:
        """Return what is known of `target`, or None where there is no such object.

        An object of a custom kind that cannot be read at all is `unreadable`: that stays so until people
        change it. A built-in kind without its rule is an error, which people mend.

        Args:
            target: the object; its uid, where it is known, is what it is remembered by.
            max_age: seconds an earlier answer may be old.
            deadline: of the request.

        Raises:
            KubernetesError, TransientError: the API server could not be asked, or a rule is missing.
        """
        key = (
            (target.kind, target.uid)
            if target.uid
            else (target.api_version, target.kind, target.namespace, target.name)
        )
        return await self._remembered.get(key, max_age=max_age, read=lambda: self._read(target, deadline))

    async def _read(self, target: TargetResource, deadline: Deadline) -> ObjectMetadata | None:
        served = await self._kinds.find(api_version=target.api_version, kind=target.kind, deadline=deadline)
        if served is None:
            return ObjectMetadata(unreadable=True)
        namespace = target.namespace if served.namespaced else ""
        try:
            reply = await self._client.get(
                served.resource, namespace=namespace, name=target.name, deadline=deadline, accept=METADATA_ONLY
            )
        except NotFoundError:
            return None
        except (ForbiddenError, ResourceNotServedError):
            if built_in(target.api_version, target.kind):
                raise
            return ObjectMetadata(unreadable=True)
        return _metadata(reply.obj, namespace)


def _metadata(obj: JsonObject, namespace: str) -> ObjectMetadata:
    try:
        metadata: dict[str, Any] = obj.get("metadata") or {}
        references = metadata.get("ownerReferences") or ()
        owners = [(_owner(each, namespace), bool(each.get("controller"))) for each in references]
        return ObjectMetadata(
            labels=dict(metadata.get("labels") or {}),
            owners=tuple(owner for owner, _ in owners),
            controller=next((owner for owner, controls in owners if controls), None),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableAnswerError("the API server's answer has no metadata that can be read") from error


def _owner(reference: Mapping[str, Any], namespace: str) -> TargetResource:
    known = built_in(str(reference["apiVersion"]), str(reference["kind"]))
    return TargetResource(
        kind=str(reference["kind"]),
        name=str(reference["name"]),
        namespace=namespace if known is None or known.namespaced else "",
        api_version=str(reference["apiVersion"]),
        uid=str(reference.get("uid") or ""),
    )

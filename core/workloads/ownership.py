"""What the API server says of one object, and whose it is: its metadata, and the workload that it is a part of.

Of an object nothing is read but its metadata (PartialObjectMetadata).
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from core.common.memory import NOTHING_SECONDS, ShortMemory
from core.errors import SluiceError
from core.kube.client import METADATA_ONLY
from core.kube.errors import (
    ForbiddenError,
    NamespaceNotFoundError,
    NotFoundError,
    ResourceNotServedError,
    UnreadableAnswerError,
)
from core.kube.resources import KINDS
from core.signals.signal import TargetResource
from core.workloads.kinds import built_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.kube.client import JsonObject, KubeClient
    from core.kube.resources import Resource
    from core.metrics import Metrics
    from core.workloads.kinds import Kinds

REMEMBERED_OBJECTS = 10_000
_MIRROR = "kubernetes.io/config.mirror"
SILENCED_UNTIL = "sluice.kubernaut.ai/silenced-until"
"""Annotation of any object: until then, in RFC 3339, no signal about it or what it owns opens or counts on an RR."""

_LONGEST_MOMENT = 64


class ObjectMetadata(NamedTuple):
    """What is read of an object.

    `uids` are what it may be called by: its own uid and, where it mirrors a static pod, the one that its kubelet
    gives it. `owners` are those that its ownerReferences name, `controller` the one of them that manages it.
    `being_deleted` is whether a deletion has begun, `silenced_until` what its annotation says, as it stands. One that
    is not `readable` is taken to be there, and no more is known.
    """

    uids: frozenset[str] = frozenset()
    labels: Mapping[str, str] = MappingProxyType({})
    owners: tuple[TargetResource, ...] = ()
    controller: TargetResource | None = None
    being_deleted: bool = False
    silenced_until: str = ""
    readable: bool = True


_UNREADABLE = ObjectMetadata(readable=False)
"""Of a custom kind that no rule lets us read; that stays so until people change it."""


class MetadataReader:
    """Reads objects by name; a quorum read each, remembered for as long as the caller allows.

    What is remembered is what the API server said, by kind, namespace and name. What a sender says of an object
    decides nothing for others: a uid it gives is compared, and never a key.
    """

    def __init__(self, *, client: KubeClient, kinds: Kinds, clock: Clock) -> None:
        self._client = client
        self._kinds = kinds
        self._remembered: ShortMemory[tuple[str, str, str, str], ObjectMetadata | None] = ShortMemory(
            clock=clock, capacity=REMEMBERED_OBJECTS
        )
        self._nodes: ShortMemory[tuple[str, str], str | None] = ShortMemory(clock=clock, capacity=REMEMBERED_OBJECTS)

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
        served = await self._served(target, deadline)
        if served is None:
            return None
        found = await self._get(served, target, max_age, deadline)
        if found is None or not found.readable or _is_meant(target, found):
            return found
        # It may have been made anew since it was read: ask again, but not for each signal that names an old uid.
        found = await self._get(served, target, min(max_age, NOTHING_SECONDS), deadline)
        return found if found is not None and _is_meant(target, found) else None

    async def node_of(self, pod: TargetResource, *, max_age: float, deadline: Deadline) -> str:
        """Return the name of the Node that a Pod runs on; empty where there is no such Pod, or it runs nowhere.

        The metadata alone does not say it: this reads the whole Pod.

        Raises:
            KubernetesError, TransientError: the API server could not be asked, or a rule is missing.
        """
        place = (pod.namespace, pod.name)
        node = await self._nodes.get(place, max_age=max_age, read=lambda: self._read_node_of(pod, deadline))
        return node or ""

    async def _read_node_of(self, pod: TargetResource, deadline: Deadline) -> str | None:
        try:
            reply = await self._client.get(KINDS["Pod"], namespace=pod.namespace, name=pod.name, deadline=deadline)
        except NotFoundError:
            return None
        spec = reply.obj.get("spec")
        node = spec.get("nodeName") if isinstance(spec, dict) else None
        return node if isinstance(node, str) and node else None

    async def _served(self, target: TargetResource, deadline: Deadline) -> Resource | None:
        known = KINDS.get(target.kind)
        if known and known.api_version == target.api_version:  # as nearly all are: there is nothing to find out
            return known
        return await self._kinds.find(api_version=target.api_version, kind=target.kind, deadline=deadline)

    async def _get(
        self, served: Resource, target: TargetResource, max_age: float, deadline: Deadline
    ) -> ObjectMetadata | None:
        namespace = target.namespace if served.namespaced else ""
        place = (served.api_version, served.plural, namespace, target.name)
        return await self._remembered.get(
            place, max_age=max_age, read=lambda: self._read(served, namespace, target.name, deadline)
        )

    async def _read(self, served: Resource, namespace: str, name: str, deadline: Deadline) -> ObjectMetadata | None:
        try:
            reply = await self._client.get(
                served, namespace=namespace, name=name, deadline=deadline, accept=METADATA_ONLY
            )
        except (NotFoundError, NamespaceNotFoundError):  # the second where `name` is a Namespace's
            return None
        except ForbiddenError:
            if built_in(served.api_version, served.kind):
                raise
            return _UNREADABLE
        except ResourceNotServedError:
            if built_in(served.api_version, served.kind):
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
            being_deleted=bool(metadata.get("deletionTimestamp")),
            silenced_until=str(_annotation(metadata, SILENCED_UNTIL) or "")[:_LONGEST_MOMENT],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _other(name) from error


def _other(name: str) -> UnreadableAnswerError:
    return UnreadableAnswerError(f"the API server's answer is not the metadata of {name} that was asked for")


def _mirrored(metadata: dict[str, Any]) -> object:
    return _annotation(metadata, _MIRROR)


def _annotation(metadata: dict[str, Any], key: str) -> object:
    return (metadata.get("annotations") or {}).get(key)


def _owner(reference: Mapping[str, Any], namespace: str) -> TargetResource:
    known = built_in(str(reference["apiVersion"]), str(reference["kind"]))
    return TargetResource(
        kind=str(reference["kind"]),
        name=str(reference["name"]),
        namespace=namespace if known is None or known.namespaced else "",
        api_version=str(reference["apiVersion"]),
        uid=str(reference.get("uid") or ""),
    )


# The alphabet of Kubernetes' generated names (k8s.io/apimachinery/pkg/util/rand): no vowels, 0, 1 or 3.
_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"
_OF_REPLICA_SET = re.compile(rf"(?P<parent>.+)-{_RANDOM}{{1,10}}\Z")
_OF_POD = re.compile(rf"(?P<parent>.+)-{_RANDOM}{{5}}\Z")
_ORDINAL = re.compile(r"(?P<parent>.+)-\d{1,10}\Z")
_OF_CRON_JOB = re.compile(r"(?P<parent>.+)-\d{8,11}\Z")  # minutes, or seconds, since 1970

_APPS = "apps/v1"
_BATCH = "batch/v1"


def likely_parents(target: TargetResource) -> Iterator[TargetResource]:
    """Yield the workloads that could have made `target`, the nearest first."""
    if target.kind == "Pod":
        yield from _of_pod(target)
    elif target.kind == "ReplicaSet":
        yield from _named(target, _OF_REPLICA_SET, ("Deployment", _APPS))
    elif target.kind == "Job":
        yield from _named(target, _OF_CRON_JOB, ("CronJob", _BATCH))


def _of_pod(pod: TargetResource) -> Iterator[TargetResource]:
    # An ordinal may also look like a random suffix: the StatefulSet comes first, it is the plainer reading.
    yield from _named(pod, _ORDINAL, ("StatefulSet", _APPS))
    for maker in _named(pod, _OF_POD, ("ReplicaSet", _APPS), ("DaemonSet", _APPS), ("Job", _BATCH)):
        yield maker
        yield from likely_parents(maker)
    for indexed in _named(pod, _OF_POD, ("Job", _BATCH)):
        yield from _named(indexed, _ORDINAL, ("Job", _BATCH))


def _named(target: TargetResource, pattern: re.Pattern[str], *kinds: tuple[str, str]) -> Iterator[TargetResource]:
    found = pattern.match(target.name)
    if found is None:
        return
    for kind, api_version in kinds:
        yield TargetResource(kind=kind, name=found["parent"], namespace=target.namespace, api_version=api_version)


MOST_LEVELS = 5
# They are part of nothing, or of nothing that could be remedied instead.
_OWN_MASTERS = frozenset(
    {"Node", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
)


class Lineage(NamedTuple):
    """An object and the owners that control it, nearest first; the last one is the workload to remedy.

    `claimed` are all owners that any of them names, whether they control it or not. `silences` has what the annotation
    `silenced-until` of each member says whose metadata were read; empty where it has none.
    """

    members: tuple[TargetResource, ...]
    claimed: tuple[TargetResource, ...] = ()
    silences: Mapping[TargetResource, str] = MappingProxyType({})

    @property
    def top(self) -> TargetResource:
        """The workload to remedy."""
        return self.members[-1]


class OwnerResolver:
    """Climbs controller references (metav1.OwnerReference), five levels at most.

    An object that is gone is replaced by a workload that its name points to, where that one exists, and stays as it
    is named otherwise. An owner counts only if it exists. A lookup that fails is an error, never another answer: a
    fingerprint must not change for a moment.
    """

    def __init__(self, *, reader: MetadataReader, remember: float, metrics: Metrics) -> None:
        self._reader = reader
        self._remember = remember
        self._metrics = metrics

    async def resolve(self, target: TargetResource, *, deadline: Deadline) -> Lineage:
        """Return the owners of `target`.

        Raises:
            KubernetesError, TransientError: the API server could not be asked.
        """
        try:
            lineage = await self._climb(target, deadline)
        except SluiceError:
            self._count(target, "error")
            raise
        self._count(target, "unchanged" if len(lineage.members) == 1 else "resolved")
        return lineage

    async def _climb(self, target: TargetResource, deadline: Deadline) -> Lineage:
        members = [target]
        claimed: list[TargetResource] = []
        silences: dict[TargetResource, str] = {}
        metadata = None if target.kind in _OWN_MASTERS else await self._read(target, deadline)
        if metadata is None and target.kind not in _OWN_MASTERS:
            metadata = await self._add_stand_in(members, deadline)
        while metadata is not None:
            claimed += metadata.owners
            silences[members[-1]] = metadata.silenced_until
            if len(members) > MOST_LEVELS:
                break
            owner, found = await self._owner(members[-1], metadata, deadline)
            if owner is None:
                # Its owner is gone, and its own deletion has begun: it counts as gone too.
                metadata = await self._add_stand_in(members, deadline) if metadata.being_deleted else None
            elif owner in members:
                # Owners in a circle: the same member stands for all, wherever the circle is entered.
                circle = members[members.index(owner) :]
                members.append(min(circle, key=lambda each: (each.kind, each.name)))
                break
            else:
                members.append(owner)
                metadata = found
        return Lineage(tuple(members), tuple(claimed), silences)

    async def _add_stand_in(self, members: list[TargetResource], deadline: Deadline) -> ObjectMetadata | None:
        """Add what the last member's name points to; return its metadata, or None where there is no such object."""
        gone = members[-1]
        for parent in likely_parents(gone):
            metadata = await self._read(parent, deadline)
            if metadata is not None:
                self._count(gone, "vanished")
                members.append(parent)
                return metadata
        return None

    async def _owner(
        self, member: TargetResource, metadata: ObjectMetadata, deadline: Deadline
    ) -> tuple[TargetResource | None, ObjectMetadata | None]:
        """Return the controller that `member` names, where it exists: under that name, in that place, with that uid.

        Whoever may make a Pod writes its ownerReferences. One that names nothing makes the Pod its own master.
        """
        owner = metadata.controller
        found = await self._existing(owner, deadline)
        if owner is not None and found is None:
            # Both may have been made anew since `member` was read.
            again = await self._read(member, deadline, max_age=NOTHING_SECONDS)
            if again is not None and again.controller is not None and again.controller.uid != owner.uid:
                owner = again.controller
                found = await self._existing(owner, deadline)
        return (owner, found) if found is not None else (None, None)

    async def _existing(self, owner: TargetResource | None, deadline: Deadline) -> ObjectMetadata | None:
        if owner is None or owner.kind in _OWN_MASTERS:  # a static pod belongs to its Node
            return None
        return await self._read(owner, deadline)

    async def _read(
        self, target: TargetResource, deadline: Deadline, *, max_age: float | None = None
    ) -> ObjectMetadata | None:
        limit = self._remember if max_age is None else min(max_age, self._remember)
        return await self._reader.read(target, max_age=limit, deadline=deadline)

    def _count(self, target: TargetResource, outcome: str) -> None:
        # Events may name any kind: the series must stay few.
        kind = target.kind if target.kind in KINDS else "other"
        self._metrics.looked_for_owners(kind=kind, outcome=outcome)

"""Whose an object is: the workload that it is a part of, the gateway itself, or what is outside a scope."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from core.common.memory import NOTHING_SECONDS
from core.errors import SluiceError
from core.signals.signal import TargetResource
from core.workloads.objects import built_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from core.common.resilience import Deadline
    from core.metrics import Metrics
    from core.workloads.objects import MetadataReader, ObjectMetadata

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
# Parts of nothing, or of nothing that could be remedied in their stead.
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
                # Its owner went first and it follows: to its alerts it is gone as well.
                metadata = await self._add_stand_in(members, deadline) if metadata.dying else None
            elif owner in members:
                # From wherever a circle is entered, the same member of it stands for all.
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
        kind = target.kind if built_in("", target.kind) else "other"
        self._metrics.looked_for_owners(kind=kind, outcome=outcome)


PROJECT_GROUP = "kubernaut.ai"
"""API group of the remediation's own kinds, as are all groups below it (kubernaut)."""

_LEASE_GROUP = "coordination.k8s.io"


class OwnDoing:
    """Tells the gateway's own objects from all others.

    Args:
        group: API group of RemediationRequest (SLUICE_GROUP).
        namespaces: all of whose objects are its own.
    """

    def __init__(self, *, group: str, namespaces: Collection[str]) -> None:
        self._group = group
        self._namespaces = namespaces

    def refusal(self, target: TargetResource, owners: Iterable[TargetResource] = (), *, local: bool = True) -> str:
        """Return a sentence that says why a signal about `target` is about the gateway itself; empty where it is not.

        Args:
            target: the object that the signal names.
            owners: whatever owns it, near or far.
            local: whether it is in this cluster. In another one, a namespace of the gateway's name is somebody's.
        """
        if reason := self._by_kind(target) or (self._by_namespace(target) if local else ""):
            return f"{target} is {reason}"
        for owner in owners:
            if reason := self._by_kind(owner):
                return f"{target} belongs to {owner}, which is {reason}"
        return ""

    def _by_kind(self, target: TargetResource) -> str:
        group = target.api_version.rpartition("/")[0]
        if target.kind == "RemediationRequest":  # labels name a kind without its group
            return "a remediation request"
        if target.kind == "Lease" and group in ("", _LEASE_GROUP):
            return "a Lease"
        if group in (self._group, PROJECT_GROUP) or group.endswith(f".{PROJECT_GROUP}"):
            return f"of the API group {group}, the gateway's and its consumers' own"
        return ""

    def _by_namespace(self, target: TargetResource) -> str:
        if target.namespace in self._namespaces:
            return "in the gateway's own namespace; SLUICE_OWN_NAMESPACE=take takes it all the same"
        if target.kind == "Namespace" and target.name in self._namespaces:
            return "the gateway's own namespace; SLUICE_OWN_NAMESPACE=take takes it all the same"
        return ""


CLUSTER_SCOPED_NAMESPACES = ("default", "kube-system")
"""Where the API server lets Events about cluster-scoped objects be."""


def beyond_reach(target: TargetResource, *, event_namespace: str) -> str:
    """Return a sentence that says why an Event in `event_namespace` is not believed about `target`; empty where it is.

    `target` has a namespace only if its kind has one.
    """
    if target.namespace == event_namespace:
        return ""
    if target.namespace:
        return f"an Event in namespace {event_namespace} says nothing of {target}: it must be in that namespace"
    if event_namespace in CLUSTER_SCOPED_NAMESPACES:
        return ""
    if target.kind == "Namespace" and target.name == event_namespace:
        return ""
    return (
        f"an Event in namespace {event_namespace} says nothing of {target}, which is in none: it must be in "
        f"{' or '.join(CLUSTER_SCOPED_NAMESPACES)}"
    )


SCOPE_SECONDS = 60.0
"""How long a label that lets a signal in is believed."""

REFUSAL_SECONDS = 1.0
"""The most for what holds a signal back: after a 200 that says rejected the sender does not ask again."""


def namespace_of(lineage: Lineage) -> TargetResource | None:
    """Return the Namespace that a lineage is in; None where it is in none."""
    name = lineage.top.namespace
    return TargetResource(kind="Namespace", name=name, api_version="v1") if name else None


class Scope:
    """Judges by SLUICE_SCOPE_LABEL: `key=value`, or `key` for any value but `false`.

    The object named is asked first, then its owners, then its namespace; the first that carries the key
    decides, so one workload of a managed namespace can be left out.
    """

    def __init__(self, *, label: str, reader: MetadataReader) -> None:
        self._key, _, self._value = label.partition("=")
        self._label = label
        self._reader = reader

    def remedy(self, lineage: Lineage) -> str:
        """Return the command that takes a workload in; a person decides whether it is right."""
        top = lineage.top
        place = f" -n {top.namespace}" if top.namespace else ""
        return f"kubectl label{place} {top.kind.lower()} {top.name} {self._key}={self._value or 'true'} --overwrite"

    async def refusal(self, lineage: Lineage, *, deadline: Deadline) -> str:
        """Return why a target is out of scope, or nothing where it is in.

        Nothing is refused by what was read before its request came: who has just set the label is in scope at once.
        What comes at the same time reads each object once.

        Raises:
            KubernetesError, TransientError: the API server could not be asked.
        """
        refused = await self._judged(lineage, SCOPE_SECONDS, deadline)
        return refused and await self._judged(lineage, min(REFUSAL_SECONDS, deadline.elapsed), deadline)

    async def _judged(self, lineage: Lineage, max_age: float, deadline: Deadline) -> str:
        namespace = namespace_of(lineage)
        asked = [*lineage.members, namespace] if namespace else lineage.members
        for each in asked:
            metadata = await self._reader.read(each, max_age=max_age, deadline=deadline)
            value = metadata.labels.get(self._key) if metadata else None
            if value is not None:
                return "" if self._matches(value) else f"{each} has the label {self._key}={value}"
        return f"none of {', '.join(str(each) for each in asked)} has the label {self._label}"

    def _matches(self, value: str) -> bool:
        return value == self._value if self._value else value != "false"

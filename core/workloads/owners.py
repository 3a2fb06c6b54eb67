"""From the object a signal names to the workload that it is a part of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import SluiceError
from core.workloads.kinds import built_in
from core.workloads.vanished import likely_parents

if TYPE_CHECKING:
    from core.clock import Deadline
    from core.metrics import Metrics
    from core.models.signal import TargetResource
    from core.workloads.metadata import MetadataReader, ObjectMetadata

MOST_LEVELS = 5
# Parts of nothing, or of nothing that could be remedied in their stead.
_OWN_MASTERS = frozenset(
    {"Node", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
)


@dataclass(frozen=True, slots=True)
class Lineage:
    """An object and the owners that control it, nearest first; the last one is the workload to remedy.

    `claimed` are all owners that any of them names, whether they control it or not.
    """

    members: tuple[TargetResource, ...]
    claimed: tuple[TargetResource, ...] = ()

    @property
    def top(self) -> TargetResource:
        """The workload to remedy."""
        return self.members[-1]


class OwnerResolver:
    """Climbs controller references (metav1.OwnerReference), five levels at most.

    An object that is gone is replaced by a workload that its name points to, where that one exists, and
    stays as it is named otherwise. A lookup that fails is an error, never another answer: a fingerprint
    must not change for a moment.
    """

    def __init__(self, *, reader: MetadataReader, remember: float, metrics: Metrics) -> None:
        self._reader = reader
        self._remember = remember
        self._outcomes = metrics.owner_resolution

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
        while len(members) <= MOST_LEVELS and members[-1].kind not in _OWN_MASTERS:
            metadata = await self._read(members[-1], deadline)
            if metadata is not None:
                claimed += metadata.owners
            owner = metadata.controller if metadata is not None else await self._likely_parent(members[-1], deadline)
            if owner is None or owner.kind in _OWN_MASTERS:  # a static pod belongs to its Node
                break
            if owner in members:
                # From wherever a circle is entered, the same member of it stands for all.
                circle = members[members.index(owner) :]
                members.append(min(circle, key=lambda each: (each.kind, each.name)))
                break
            members.append(owner)
        return Lineage(tuple(members), tuple(claimed))

    async def _likely_parent(self, target: TargetResource, deadline: Deadline) -> TargetResource | None:
        for parent in likely_parents(target):
            if await self._read(parent, deadline) is not None:
                self._count(target, "vanished")
                return parent
        return None

    async def _read(self, target: TargetResource, deadline: Deadline) -> ObjectMetadata | None:
        return await self._reader.read(target, max_age=self._remember, deadline=deadline)

    def _count(self, target: TargetResource, outcome: str) -> None:
        # Events may name any kind: the series must stay few.
        kind = target.kind if built_in("", target.kind) else "other"
        self._outcomes.labels(kind=kind, outcome=outcome).inc()

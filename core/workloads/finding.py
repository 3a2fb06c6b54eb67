"""Which object a signal is about: its labels name candidates, and the cluster decides between them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.models.candidate import Lookup
from core.models.signal import TargetResource
from core.workloads.kinds import built_in_singular

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.clock import Deadline
    from core.models.candidate import Candidate
    from core.workloads.kinds import Kinds, ServedKind
    from core.workloads.metadata import MetadataReader


@dataclass(frozen=True, slots=True)
class Found:
    """An object, and the candidate that led to it."""

    target: TargetResource
    candidate: Candidate


class TargetFinder:
    """Decides by GETs of metadata, which are remembered: a candidate that does not exist is passed over.

    `remember` is in seconds. Where none of the candidates exists, the first is taken that does not have to: what it
    names may be gone, and its workload still there.
    """

    def __init__(self, *, reader: MetadataReader, kinds: Kinds, remember: float) -> None:
        self._reader = reader
        self._kinds = kinds
        self._remember = remember

    async def find(self, candidates: Sequence[Candidate], *, deadline: Deadline) -> Found | None:
        """Return the object that the first good candidate leads to; None where there is none.

        Raises:
            KubernetesError, TransientError: the API server could not be asked.
        """
        if len(candidates) == 1 and _as_it_is(candidates[0]):  # nothing to decide: no call
            return Found(candidates[0].target, candidates[0])
        unreadable, named = None, None
        for candidate in candidates:
            for target in await self._objects(candidate, deadline):
                found = Found(target, candidate)
                metadata = await self._reader.read(target, max_age=self._remember, deadline=deadline)
                if metadata is not None and metadata.readable:
                    return found
                if metadata is not None:
                    unreadable = unreadable or found
                if not candidate.must_exist:
                    named = named or found
        return unreadable or named

    async def _objects(self, candidate: Candidate, deadline: Deadline) -> list[TargetResource]:
        """Return the objects that a candidate may mean; more than one where groups have kinds of one name."""
        target = candidate.target
        if candidate.lookup is Lookup.SINGULAR:
            served = await self._kinds.by_singular(target.kind, deadline=deadline)
            return [each for kind in served if (each := _of_kind(target, kind))]
        if candidate.lookup is Lookup.NODE_OF_POD:
            node = await self._reader.node_of(target, max_age=self._remember, deadline=deadline)
            return [TargetResource(kind="Node", name=node, api_version="v1")] if node else []
        return [target]


def as_named(candidates: Sequence[Candidate]) -> Found | None:
    """Return the first candidate that counts without a look at the cluster; None where there is none."""
    for candidate in candidates:
        if _as_it_is(candidate):
            return Found(candidate.target, candidate)
        if candidate.lookup is Lookup.SINGULAR and not candidate.must_exist:
            served = built_in_singular(candidate.target.kind)
            target = _of_kind(candidate.target, served) if served else None
            if target:
                return Found(target, candidate)
    return None


def _as_it_is(candidate: Candidate) -> bool:
    return candidate.lookup is Lookup.OBJECT and not candidate.must_exist


def _of_kind(target: TargetResource, served: ServedKind) -> TargetResource | None:
    if served.namespaced and not target.namespace:
        return None
    return dataclasses.replace(
        target,
        kind=served.resource.kind,
        api_version=served.resource.api_version,
        namespace=target.namespace if served.namespaced else "",
    )

"""Makes a signal the one of its workload, or says why it goes no further: owners, then scope."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

from core.errors import SluiceError
from core.failures import failure
from core.fingerprint import fingerprint_of
from core.models.result import SignalResult, Status
from core.pace import side_by_side
from core.text import cut_utf8
from core.workloads.finding import as_named
from core.workloads.owners import Lineage
from core.workloads.reach import beyond_reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.clock import Deadline
    from core.models.candidate import Candidate
    from core.models.signal import NormalizedSignal, TargetResource
    from core.workloads.finding import Found, TargetFinder
    from core.workloads.kinds import Kinds
    from core.workloads.own import OwnDoing
    from core.workloads.owners import OwnerResolver
    from core.workloads.scope import Scope

OWN = "own"
"""Reason of what is ignored because it is about the gateway itself."""

NO_TARGET = "no_target"
"""Reason of what is ignored because it is about no object."""

FOUND_BY_ANNOTATION = "gateway.kubernaut.ai/target-found-by"
"""On an RR: the label that named its target, and the rule by which it counts."""

_FOUND_BY_BYTES = 253
_SHOWN_CANDIDATES = 5

BEYOND_REACH = "beyond_reach"
"""Reason of an Event that is ignored because it speaks of another namespace's object."""

OWNER_ANNOTATION = "gateway.kubernaut.ai/owner"
"""On a request: the workload whose identity is its fingerprint, where the signal named a part of it."""


class Qualification:
    """Looks up what the cluster knows of a signal's target.

    Args:
        own: tells the gateway's own objects, about which nothing is stored.
        kinds: tells which kinds have a namespace.
        finder: decides between candidates; None takes the first that counts without a look at the cluster.
        owners: None takes every target as it is named.
        scope: None takes every target.
        cluster: this cluster's own name in `cluster` labels; other clusters' objects cannot be looked up.
        max_concurrent: targets looked up at once.
    """

    def __init__(
        self,
        *,
        own: OwnDoing,
        kinds: Kinds,
        finder: TargetFinder | None,
        owners: OwnerResolver | None,
        scope: Scope | None,
        cluster: str,
        max_concurrent: int,
    ) -> None:
        self._own = own
        self._kinds = kinds
        self._finder = finder
        self._owners = owners
        self._scope = scope
        self._cluster = cluster
        self._at_once = max_concurrent
        self._slots = asyncio.Semaphore(max_concurrent)

    async def qualify(
        self, signals: Sequence[NormalizedSignal], *, deadline: Deadline
    ) -> list[NormalizedSignal | SignalResult]:
        """Return for each signal the one to store, or its result where it is not stored.

        A lookup that fails for the moment makes the signal `failed`; one about the gateway's own doing, about no
        object, or whose Event speaks of what is not its own, is `ignored`, and one out of scope is `rejected`.
        """

        async def qualified(signal: NormalizedSignal) -> NormalizedSignal | SignalResult:
            return await self._qualify(signal, deadline)

        return await side_by_side(signals, qualified, at_once=self._at_once)

    async def _qualify(self, signal: NormalizedSignal, deadline: Deadline) -> NormalizedSignal | SignalResult:
        local = signal.cluster_id in ("", self._cluster)
        if own := self._own.verdict(signal.target, local=local):  # before any call: they come in floods
            return _own_doing(signal, own)
        if not local:
            return self._foreign(signal)
        try:
            async with self._slots:
                aimed = await self._aimed(signal, deadline)
                return await self._look_up(aimed, deadline) if aimed else _without_target(signal)
        except SluiceError as error:
            return failure(error, fingerprint=signal.fingerprint)

    async def _look_up(self, signal: NormalizedSignal, deadline: Deadline) -> NormalizedSignal | SignalResult:
        event_namespace = signal.event_namespace
        if event_namespace and (sentence := beyond_reach(signal.target, event_namespace=event_namespace)):
            return _ignored(signal, BEYOND_REACH, sentence)
        lineage = await self._lineage(signal, deadline)
        if own := self._own.verdict(signal.target, (*lineage.members, *lineage.claimed)):
            return _own_doing(signal, own)
        resolved = _resolved(signal, lineage)
        refusal = await self._scope.refusal(lineage, deadline=deadline) if self._scope else ""
        return _rejected(resolved, refusal) if refusal else resolved

    async def _aimed(self, signal: NormalizedSignal, deadline: Deadline) -> NormalizedSignal | None:
        """Return the signal with the object that it is about; None where its labels lead to no object."""
        target, found = signal.target, None
        if signal.candidates:
            found = await self._find(signal.candidates, deadline)
            if found is None:
                return None
            target = found.target
        target = await self._kinds.place(target, event_namespace=signal.event_namespace, deadline=deadline)
        return _aimed_at(signal, target, found)

    async def _find(self, candidates: Sequence[Candidate], deadline: Deadline) -> Found | None:
        return await self._finder.find(candidates, deadline=deadline) if self._finder else as_named(candidates)

    async def _lineage(self, signal: NormalizedSignal, deadline: Deadline) -> Lineage:
        if self._owners is None:
            return Lineage((signal.target,))
        return await self._owners.resolve(signal.target, deadline=deadline)

    def _foreign(self, signal: NormalizedSignal) -> NormalizedSignal | SignalResult:
        if self._scope is not None:
            sentence = f"its cluster {signal.cluster_id!r} is not this one, whose labels decide"
            return _rejected(signal, f"{sentence}; SLUICE_CLUSTER names this one")
        if not signal.candidates:
            return signal
        found = as_named(signal.candidates)
        return _aimed_at(signal, found.target, found) if found else _without_target(signal)


def _aimed_at(signal: NormalizedSignal, target: TargetResource, found: Found | None) -> NormalizedSignal:
    changed: dict[str, Any] = {}
    if target != signal.target:
        changed |= {"target": target, "fingerprint": fingerprint_of(target, cluster=signal.cluster_id)}
    if found is not None:
        found_by = cut_utf8(f"{found.candidate.label} ({found.candidate.rule})", limit=_FOUND_BY_BYTES)
        changed |= {"found_by": found_by, "provenance": {**signal.provenance, FOUND_BY_ANNOTATION: found_by}}
    return dataclasses.replace(signal, **changed) if changed else signal


def _without_target(signal: NormalizedSignal) -> SignalResult:
    named = ", ".join(f"{each.label}={each.target.name}" for each in signal.candidates[:_SHOWN_CANDIDATES])
    sentence = (
        f"the labels {named} name no object that exists in this cluster: what measured it is not what it is about"
    )
    return _ignored(signal, NO_TARGET, sentence)


def _resolved(signal: NormalizedSignal, lineage: Lineage) -> NormalizedSignal:
    if not signal.cluster_id and len(lineage.members) == 1:
        return signal
    # The own cluster's name is no part of it: events do not carry it, and must meet the alerts that do.
    top = lineage.top
    owner = {} if top is signal.target else {OWNER_ANNOTATION: f"{top.kind}/{top.name}"}
    return dataclasses.replace(signal, fingerprint=fingerprint_of(top), provenance={**signal.provenance, **owner})


def _own_doing(signal: NormalizedSignal, sentence: str) -> SignalResult:
    return _ignored(signal, OWN, f"{sentence}: no remediation request is made about the gateway's own doing")


def _ignored(signal: NormalizedSignal, reason: str, sentence: str) -> SignalResult:
    return SignalResult(status=Status.IGNORED, fingerprint=signal.fingerprint, reason=reason, error=sentence)


def _rejected(signal: NormalizedSignal, reason: str) -> SignalResult:
    return SignalResult(status=Status.REJECTED, fingerprint=signal.fingerprint, error=f"out of scope: {reason}")

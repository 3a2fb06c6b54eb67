"""Makes a signal the one of its workload, or says why it goes no further: owners, then scope."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from core.errors import SluiceError
from core.failures import failure
from core.fingerprint import fingerprint_of
from core.models.result import SignalResult, Status
from core.together import together
from core.workloads.owners import Lineage
from core.workloads.reach import beyond_reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.clock import Deadline
    from core.models.signal import NormalizedSignal
    from core.workloads.kinds import Kinds
    from core.workloads.own import OwnDoing
    from core.workloads.owners import OwnerResolver
    from core.workloads.scope import Scope

OWN = "own"
"""Reason of what is ignored because it is about the gateway itself."""

BEYOND_REACH = "beyond_reach"
"""Reason of an Event that is ignored because it speaks of another namespace's object."""

OWNER_ANNOTATION = "gateway.kubernaut.ai/owner"
"""On a request: the workload whose identity is its fingerprint, where the signal named a part of it."""


class Qualification:
    """Looks up what the cluster knows of a signal's target.

    Args:
        own: tells the gateway's own objects, about which nothing is stored.
        kinds: tells which kinds have a namespace.
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
        owners: OwnerResolver | None,
        scope: Scope | None,
        cluster: str,
        max_concurrent: int,
    ) -> None:
        self._own = own
        self._kinds = kinds
        self._owners = owners
        self._scope = scope
        self._cluster = cluster
        self._slots = asyncio.Semaphore(max_concurrent)

    async def qualify(
        self, signals: Sequence[NormalizedSignal], *, deadline: Deadline
    ) -> list[NormalizedSignal | SignalResult]:
        """Return for each signal the one to store, or its result where it is not stored.

        A lookup that fails for the moment makes the signal `failed`; one about the gateway's own doing, or
        whose Event speaks of what is not its own, is `ignored`, and one out of scope is `rejected`.
        """
        return await together([self._qualify(signal, deadline) for signal in signals])

    async def _qualify(self, signal: NormalizedSignal, deadline: Deadline) -> NormalizedSignal | SignalResult:
        local = signal.cluster_id in ("", self._cluster)
        if own := self._own.verdict(signal.target, local=local):  # before any call: they come in floods
            return _own_doing(signal, own)
        if not local:
            return self._foreign(signal)
        try:
            async with self._slots:
                return await self._look_up(await self._placed(signal, deadline), deadline)
        except SluiceError as error:
            return failure(error, fingerprint=signal.fingerprint)

    async def _look_up(self, signal: NormalizedSignal, deadline: Deadline) -> NormalizedSignal | SignalResult:
        if sentence := beyond_reach(signal.target, event_namespace=signal.event_namespace):
            return _ignored(signal, BEYOND_REACH, sentence)
        lineage = await self._lineage(signal, deadline)
        if own := self._own.verdict(signal.target, (*lineage.members, *lineage.claimed)):
            return _own_doing(signal, own)
        resolved = _resolved(signal, lineage)
        refusal = await self._scope.refusal(lineage, deadline=deadline) if self._scope else ""
        return _rejected(resolved, refusal) if refusal else resolved

    async def _placed(self, signal: NormalizedSignal, deadline: Deadline) -> NormalizedSignal:
        target = await self._kinds.place(signal.target, event_namespace=signal.event_namespace, deadline=deadline)
        if target is signal.target:
            return signal
        return dataclasses.replace(signal, target=target, fingerprint=fingerprint_of(target))

    async def _lineage(self, signal: NormalizedSignal, deadline: Deadline) -> Lineage:
        if self._owners is None:
            return Lineage((signal.target,))
        return await self._owners.resolve(signal.target, deadline=deadline)

    def _foreign(self, signal: NormalizedSignal) -> NormalizedSignal | SignalResult:
        if self._scope is None:
            return signal
        return _rejected(
            signal,
            f"its cluster {signal.cluster_id!r} is not this one, whose labels decide; SLUICE_CLUSTER names this one",
        )


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

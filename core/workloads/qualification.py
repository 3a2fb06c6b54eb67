"""Makes a signal the one of its workload, or says why it goes no further: owners, scope, then silence."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from core.common.resilience import side_by_side
from core.common.text import cut_utf8
from core.errors import SluiceError
from core.results import SignalResult, Status, failure
from core.signals.signal import Lookup, TargetResource, fingerprint_of
from core.signals.targets import NO_TARGET
from core.workloads.kinds import built_in_singular
from core.workloads.ownership import Lineage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from core.common.resilience import Deadline
    from core.kube.resources import Resource
    from core.signals.signal import Candidate, NormalizedSignal
    from core.workloads.clusters import Clusters
    from core.workloads.kinds import Kinds
    from core.workloads.ownership import MetadataReader, OwnerResolver
    from core.workloads.scope import Scope, Silence, Silenced


class Found(NamedTuple):
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


def _of_kind(target: TargetResource, served: Resource) -> TargetResource | None:
    if served.namespaced and not target.namespace:
        return None
    return dataclasses.replace(
        target,
        kind=served.kind,
        api_version=served.api_version,
        namespace=target.namespace if served.namespaced else "",
    )


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


OWN = "own"
"""Reason of what is ignored because it is about the gateway itself."""

FOUND_BY_ANNOTATION = "gateway.kubernaut.ai/target-found-by"
"""On an RR: the label that named its target, and the rule by which it counts."""

_FOUND_BY_BYTES = 253
_SHOWN_CANDIDATES = 5

BEYOND_REACH = "beyond_reach"
"""Reason of an Event that is ignored because it speaks of another namespace's object."""

OUT_OF_SCOPE = "out_of_scope"
"""Reason of what is rejected because neither its target nor its namespace carries SLUICE_SCOPE_LABEL."""

SILENCED = "silenced"
"""Reason of what is rejected because its target, an owner of it or its namespace is silenced for a while."""

OWNER_ANNOTATION = "gateway.kubernaut.ai/owner"
"""On an RR: the workload whose identity is its fingerprint, where the signal named a part of it."""

OBJECT_ANNOTATION = "gateway.kubernaut.ai/signal-target"
"""On an RR whose target is the workload (SLUICE_TARGET=owner): the part of it that the signal named."""


class Qualification:
    """Looks up what the cluster knows of a signal's target.

    Args:
        own: tells the gateway's own objects, about which nothing is stored.
        kinds: tells which kinds have a namespace.
        finder: decides between candidates; None takes the first that counts without a look at the cluster.
        owners: None takes every target as it is named.
        scope: None takes every target.
        silence: tells targets that are silenced for a while; None takes every target.
        clusters: tells signals of other clusters, whose objects cannot be looked up.
        max_concurrent: targets looked up at once.
        owner_is_target: the RR's target is the workload, whatever part of it the signal names.
    """

    def __init__(
        self,
        *,
        own: OwnDoing,
        kinds: Kinds,
        finder: TargetFinder | None,
        owners: OwnerResolver | None,
        scope: Scope | None,
        silence: Silence | None,
        clusters: Clusters,
        max_concurrent: int,
        owner_is_target: bool = False,
    ) -> None:
        self._own = own
        self._kinds = kinds
        self._finder = finder
        self._owners = owners
        self._scope = scope
        self._silence = silence
        self._clusters = clusters
        self._owner_is_target = owner_is_target
        self._at_once = max_concurrent
        self._slots = asyncio.Semaphore(max_concurrent)

    async def qualify(
        self, signals: Sequence[NormalizedSignal], *, deadline: Deadline
    ) -> list[NormalizedSignal | SignalResult]:
        """Return for each signal the one to store, or its result where it is not stored.

        A lookup that fails for the moment makes the signal `failed`; one about the gateway's own doing, about no
        object, or whose Event speaks of what is not its own, is `ignored`, and one out of scope or silenced is
        `rejected`.
        """

        async def qualified(signal: NormalizedSignal) -> NormalizedSignal | SignalResult:
            return await self._qualify(signal, deadline)

        return await side_by_side(signals, qualified, at_once=self._at_once)

    async def _qualify(self, signal: NormalizedSignal, deadline: Deadline) -> NormalizedSignal | SignalResult:
        local = not (signal.cluster_id and self._clusters.is_foreign(signal.cluster_id))
        if own := self._own.refusal(signal.target, local=local):  # before any call: they come in floods
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
        if own := self._own.refusal(signal.target, (*lineage.members, *lineage.claimed)):
            return _own_doing(signal, own)
        resolved = _resolved(signal, lineage, owner_is_target=self._owner_is_target)
        refusal = await self._scope.refusal(lineage, deadline=deadline) if self._scope else ""
        if refusal and self._scope:
            rejected = _rejected(resolved, OUT_OF_SCOPE, f"out of scope: {refusal}")
            return rejected._replace(remedy=self._scope.remedy(lineage))
        # A silence prevents new RRs only: an active RR is told all the same that its alert has ended.
        silenced = None if signal.resolved else await self._held_by(lineage, deadline)
        return _silenced(resolved, silenced) if silenced else resolved

    async def _held_by(self, lineage: Lineage, deadline: Deadline) -> Silenced | None:
        if self._silence is None or not (self._scope or any(lineage.silences.values())):
            return None
        return await self._silence.holding(lineage, deadline=deadline)

    async def _aimed(self, signal: NormalizedSignal, deadline: Deadline) -> NormalizedSignal | None:
        """Return the signal with the object that it is about; None where its labels lead to no object."""
        if signal.candidates:
            found = await self._find(signal.candidates, deadline)
            return _aimed_at(signal, found.target, found) if found else None
        target = await self._kinds.with_namespace(
            signal.target, event_namespace=signal.event_namespace, deadline=deadline
        )
        return _aimed_at(signal, target, None)

    async def _find(self, candidates: Sequence[Candidate], deadline: Deadline) -> Found | None:
        return await self._finder.find(candidates, deadline=deadline) if self._finder else as_named(candidates)

    async def _lineage(self, signal: NormalizedSignal, deadline: Deadline) -> Lineage:
        if self._owners is None:
            return Lineage((signal.target,))
        return await self._owners.resolve(signal.target, deadline=deadline)

    def _foreign(self, signal: NormalizedSignal) -> NormalizedSignal | SignalResult:
        self._clusters.note(signal.cluster_id)
        if self._scope is not None:
            sentence = f"its cluster {signal.cluster_id!r} is not this one, whose labels decide"
            return _rejected(signal, OUT_OF_SCOPE, f"out of scope: {sentence}; SLUICE_CLUSTER names this one")
        event_namespace = signal.event_namespace
        if event_namespace and (sentence := beyond_reach(signal.target, event_namespace=event_namespace)):
            return _ignored(signal, BEYOND_REACH, sentence)
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


def _resolved(signal: NormalizedSignal, lineage: Lineage, *, owner_is_target: bool) -> NormalizedSignal:
    if not signal.cluster_id and len(lineage.members) == 1:
        return signal
    # This cluster's name is left out: events do not carry it, and must get the fingerprint of alerts that do.
    top = lineage.top
    if top is signal.target:
        known = {}
    elif owner_is_target:
        known = {OBJECT_ANNOTATION: str(signal.target)}
    else:
        known = {OWNER_ANNOTATION: f"{top.kind}/{top.name}"}
    return dataclasses.replace(
        signal,
        fingerprint=fingerprint_of(top),
        target=top if owner_is_target else signal.target,
        cluster_id="",  # an orchestrator takes any name there for that of another cluster
        provenance={**signal.provenance, **known},
    )


def _own_doing(signal: NormalizedSignal, sentence: str) -> SignalResult:
    return _ignored(signal, OWN, f"{sentence}: no remediation request is made about the gateway's own doing")


def _ignored(signal: NormalizedSignal, reason: str, sentence: str) -> SignalResult:
    target = None if reason == NO_TARGET else signal.target
    return SignalResult(
        status=Status.IGNORED,
        fingerprint=signal.fingerprint,
        reason=reason,
        error=sentence,
        target=target,
        found_by=signal.found_by,
    )


def _silenced(signal: NormalizedSignal, silenced: Silenced) -> SignalResult:
    sentence = f"silenced until {silenced.moment} by an annotation of {silenced.by}; {silenced.lift} ends it"
    return _rejected(signal, SILENCED, sentence)._replace(silenced_until=silenced.moment)


def _rejected(signal: NormalizedSignal, reason: str, sentence: str) -> SignalResult:
    return SignalResult(
        status=Status.REJECTED,
        fingerprint=signal.fingerprint,
        reason=reason,
        error=sentence,
        target=signal.target,
        found_by=signal.found_by,
    )

"""Which targets are not ours: the gateway's own doing, what an Event may not speak of, what is outside a scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.signals.signal import TargetResource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.common.clock import Deadline
    from core.workloads.objects import MetadataReader
    from core.workloads.owners import Lineage

PROJECT_GROUP = "kubernaut.ai"
"""API group of the remediation's own kinds, as are all groups below it (kubernaut)."""

_LEASE_GROUP = "coordination.k8s.io"


class OwnDoing:
    """Tells the gateway's own objects from all others.

    Args:
        group: API group of RemediationRequest (SLUICE_GROUP).
        namespace: the gateway's namespace, all of whose objects are its own; empty where they are not.
    """

    def __init__(self, *, group: str, namespace: str) -> None:
        self._group = group
        self._namespace = namespace

    def refusal(self, target: TargetResource, owners: Iterable[TargetResource] = (), *, local: bool = True) -> str:
        """Return a sentence that says why a signal about `target` is about the gateway itself; empty where it is not.

        Args:
            target: the object that the signal names.
            owners: whatever owns it, near or far.
            local: whether it is in this cluster. In another one, a namespace of the gateway's name is somebody's.
        """
        if reason := self._kind(target) or (self._place(target) if local else ""):
            return f"{target} is {reason}"
        for owner in owners:
            if reason := self._kind(owner):
                return f"{target} belongs to {owner}, which is {reason}"
        return ""

    def _kind(self, target: TargetResource) -> str:
        group = target.api_version.rpartition("/")[0]
        if target.kind == "RemediationRequest":  # labels name a kind without its group
            return "a remediation request"
        if target.kind == "Lease" and group in ("", _LEASE_GROUP):
            return "a Lease"
        if group in (self._group, PROJECT_GROUP) or group.endswith(f".{PROJECT_GROUP}"):
            return f"of the API group {group}, the gateway's and its consumers' own"
        return ""

    def _place(self, target: TargetResource) -> str:
        if not self._namespace:
            return ""
        if self._namespace == target.namespace:
            return "in the gateway's own namespace; SLUICE_OWN_NAMESPACE=take takes it all the same"
        if target.kind == "Namespace" and target.name == self._namespace:
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
"""The same for refusing one: after a 200 that says rejected the sender does not ask again. Who has just set the label
is in scope, and a flood from outside costs one read of each object a second."""


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

        Raises:
            KubernetesError, TransientError: the API server could not be asked.
        """
        refused = await self._judged(lineage, SCOPE_SECONDS, deadline)
        return refused and await self._judged(lineage, REFUSAL_SECONDS, deadline)

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

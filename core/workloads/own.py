"""What is the gateway's own doing: no remediation request is ever about it, whoever reports it.

A consumer that records a Warning on a remediation request, or a Lease that changes hands, would else open the
next one, which is worked on and warned about in its turn, without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.models.signal import TargetResource

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

    def verdict(self, target: TargetResource, owners: Iterable[TargetResource] = (), *, local: bool = True) -> str:
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

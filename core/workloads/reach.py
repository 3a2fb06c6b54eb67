"""What an Event may speak about: an object of its own namespace, or of none.

Who may write Events in one namespace must not report on another's objects. The API server sees to it only in part
(k8s.io/kubernetes, pkg/apis/core/validation/events.go): an Event with `eventTime` may name any namespace, and it
does not know which kinds have one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.models.signal import TargetResource

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

"""Which URL a kind is read at: built-in kinds by table, all others by discovery."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.kube.errors import ForbiddenError, NotFoundError, ResourceNotServedError
from core.kube.resources import Resource
from core.workloads.cache import ShortMemory

if TYPE_CHECKING:
    from core.clock import Clock, Deadline
    from core.kube.client import KubeClient
    from core.models.signal import TargetResource

DISCOVERY_SECONDS = 600.0
_REMEMBERED_KINDS = 500


@dataclass(frozen=True, slots=True)
class ServedKind:
    """A kind and its URL."""

    resource: Resource
    namespaced: bool = True


def _built_in(group: str, version: str, plural: str, kind: str, *, namespaced: bool = True) -> ServedKind:
    return ServedKind(Resource(group, version, plural, kind), namespaced)


# One version of each, whatever version a signal names: the metadata is the same in all of them.
_BUILT_IN = {
    (served.resource.group, served.resource.kind): served
    for served in (
        _built_in("", "v1", "pods", "Pod"),
        _built_in("", "v1", "replicationcontrollers", "ReplicationController"),
        _built_in("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
        _built_in("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False),
        _built_in("", "v1", "nodes", "Node", namespaced=False),
        _built_in("", "v1", "namespaces", "Namespace", namespaced=False),
        _built_in("apps", "v1", "replicasets", "ReplicaSet"),
        _built_in("apps", "v1", "deployments", "Deployment"),
        _built_in("apps", "v1", "statefulsets", "StatefulSet"),
        _built_in("apps", "v1", "daemonsets", "DaemonSet"),
        _built_in("batch", "v1", "jobs", "Job"),
        _built_in("batch", "v1", "cronjobs", "CronJob"),
        _built_in("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
        _built_in("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    )
}


def built_in(api_version: str, kind: str) -> ServedKind | None:
    """Return a kind of our table; without `api_version`, the one that has this name."""
    if api_version:
        return _BUILT_IN.get((api_version.rpartition("/")[0], kind))
    return next((served for (_, name), served in _BUILT_IN.items() if name == kind), None)


class Kinds:
    """Finds the URL of any kind; what discovery says is remembered for ten minutes.

    Args:
        client: asks the API server; None knows the built-in kinds and no others.
        clock: tells how old an answer is.
    """

    def __init__(self, *, client: KubeClient | None, clock: Clock) -> None:
        self._client = client
        self._discovered: ShortMemory[tuple[str, str], ServedKind | None] = ShortMemory(
            clock=clock, capacity=_REMEMBERED_KINDS
        )

    async def find(self, *, api_version: str, kind: str, deadline: Deadline) -> ServedKind | None:
        """Return where `kind` is read, or None where the API server does not serve it.

        Raises:
            KubernetesError, TransientError: discovery failed for the moment.
        """
        known = built_in(api_version, kind)
        if known or not api_version or self._client is None:
            return known
        client = self._client
        return await self._discovered.get(
            (api_version, kind),
            max_age=DISCOVERY_SECONDS,
            read=lambda: _discover(client, api_version, kind, deadline),
        )

    async def place(self, target: TargetResource, *, event_namespace: str, deadline: Deadline) -> TargetResource:
        """Return `target` with a namespace where its kind has one, and with none where its kind has none.

        A kind that is not known leaves it as it is.

        Args:
            target: the object, with whatever namespace its sender gave it.
            event_namespace: of the Event that names it; what needs a namespace and was given none is in that.
            deadline: of the request.

        Raises:
            KubernetesError, TransientError: discovery failed for the moment.
        """
        served = await self.find(api_version=target.api_version, kind=target.kind, deadline=deadline)
        if served is None:
            return target
        namespace = (target.namespace or event_namespace) if served.namespaced else ""
        return target if namespace == target.namespace else dataclasses.replace(target, namespace=namespace)


async def _discover(client: KubeClient, api_version: str, kind: str, deadline: Deadline) -> ServedKind | None:
    group, _, version = api_version.rpartition("/")
    try:
        resources = await client.discover(group=group, version=version, deadline=deadline)
    except (NotFoundError, ResourceNotServedError, ForbiddenError):
        return None
    for served in resources:
        if served.get("kind") == kind and "/" not in str(served.get("name", "/")):
            resource = Resource(group, version, str(served["name"]), kind)
            return ServedKind(resource, namespaced=bool(served.get("namespaced")))
    return None

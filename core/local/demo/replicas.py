"""The Deployments whose Pods a burst is about, made in the embedded Kubernetes API: there they have owners.

Three Pods of one Deployment alert, and one RR comes of it. On a cluster of somebody's nothing is made: there a Pod that
does not exist is a problem of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.common.resilience import Deadline
from core.kube.errors import AlreadyExistsError
from core.kube.resources import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.common.clock import Clock
    from core.kube.client import KubeClient
    from core.local.demo.burst import Workload

JsonObject = dict[str, Any]
_SECONDS = 30.0


async def create_replicas(client: KubeClient, workloads: Iterable[Workload], *, clock: Clock) -> None:
    """Create the Deployment, ReplicaSet and Pods of every workload that has replicas; what is there already stays.

    Raises:
        KubernetesError: the API refuses.
    """
    maker = _Maker(client, clock=clock)
    for workload in workloads:
        if workload.kind != "pod":
            continue
        await maker.make("Namespace", "", workload.namespace)
        deployment = await maker.make("Deployment", workload.namespace, workload.deployment)
        replica_set = await maker.make("ReplicaSet", workload.namespace, workload.replica_set, owner=deployment)
        for pod in workload.pods:
            await maker.make("Pod", workload.namespace, pod, owner=replica_set)


class _Maker:
    def __init__(self, client: KubeClient, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def make(self, kind: str, namespace: str, name: str, *, owner: JsonObject | None = None) -> JsonObject:
        """Return the object by that name, made where it is missing."""
        resource = KINDS[kind]
        metadata: JsonObject = {"name": name} | ({"ownerReferences": [_reference(owner)]} if owner else {})
        body = {"apiVersion": resource.api_version, "kind": kind, "metadata": metadata}
        try:
            created = await self._client.create(resource, body, namespace=namespace, deadline=self._deadline())
        except AlreadyExistsError:
            created = await self._client.get(resource, namespace=namespace, name=name, deadline=self._deadline())
        return created.obj

    def _deadline(self) -> Deadline:
        return Deadline(clock=self._clock, seconds=_SECONDS)


def _reference(owner: JsonObject) -> JsonObject:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }

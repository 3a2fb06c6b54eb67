"""The objects that a file of cases says exist, made on the embedded API.

A file's `cluster` lists objects by kind, namespace and name. `pods` of a Deployment get a ReplicaSet between, as the
Pods' names tell; those of a StatefulSet or DaemonSet belong to it at once, and `jobs` to their CronJob. `node` is where
the pods run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.common.clock import MockClock
from core.kube.resources import KINDS, Resource
from core.local.embedded import EmbeddedApi
from tests.support.instances import NAMESPACE, START, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NOT_SERVED = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "PersistentVolume")
"""Kinds that the embedded API has not; they are their own workload and taken as they are named."""

_DEFINITIONS = Resource(
    group="apiextensions.k8s.io", version="v1", plural="customresourcedefinitions", kind="CustomResourceDefinition"
)
_POD = {"containers": [{"name": "c", "image": "i"}]}
_TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": _POD}
_REPLICATED = {"selector": {"matchLabels": {"app": "x"}}, "template": _TEMPLATE}
_SPECS: dict[str, Any] = {
    "Pod": _POD,
    "Deployment": _REPLICATED,
    "ReplicaSet": _REPLICATED,
    "DaemonSet": _REPLICATED,
    "StatefulSet": _REPLICATED | {"serviceName": "x"},
    "Job": {"template": _TEMPLATE},
    "CronJob": {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": _TEMPLATE}}},
    "PersistentVolumeClaim": {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    },
}


async def cluster_of(objects: Iterable[Mapping[str, Any]], kinds: Iterable[Mapping[str, Any]] = ()) -> World:
    """Return an API server with `objects`, and the gateway's own namespace.

    `kinds` are further ones that it serves: their kind, group, version and plural, and the scope where they have no
    namespace.
    """
    objects = [each for each in objects if each["kind"] not in NOT_SERVED]
    namespaces = {NAMESPACE, *(each["namespace"] for each in objects if "namespace" in each)}
    clock = MockClock(START)
    world = World(EmbeddedApi(clock=clock, namespaces=sorted(namespaces)).app, clock)
    served = dict(KINDS)
    for each in kinds:
        served[each["kind"]] = await _serve(world, each)
    made: set[tuple[str, ...]] = set()
    for each in objects:
        namespace = each.get("namespace", "")
        top = await _make(world, served[each["kind"]], namespace, each["name"])
        for job in each.get("jobs", ()):
            await _make(world, served["Job"], namespace, job, owner=top)
        for pod in each.get("pods", ()):
            owner = top
            if each["kind"] == "Deployment":
                set_name = pod.rpartition("-")[0]
                if (namespace, set_name) not in made:
                    made.add((namespace, set_name))
                    replicas = await _make(world, served["ReplicaSet"], namespace, set_name, owner=top)
                owner = replicas
            await _make(world, served["Pod"], namespace, pod, owner=owner, node=each.get("node", ""))
    return world


async def _serve(world: World, kind: Mapping[str, Any]) -> Resource:
    """Let the API server serve a kind, and return where."""
    names = {"plural": kind["plural"], "singular": kind["kind"].lower(), "kind": kind["kind"]}
    version = {"name": kind["version"], "served": True, "storage": True}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    await world.call(
        "POST",
        _DEFINITIONS,
        namespace="",
        apiVersion=_DEFINITIONS.api_version,
        kind=_DEFINITIONS.kind,
        metadata={"name": f"{kind['plural']}.{kind['group']}"},
        spec={
            "group": kind["group"],
            "scope": kind.get("scope", "Namespaced"),
            "names": names,
            "versions": [version | {"schema": schema}],
        },
    )
    return Resource(group=kind["group"], version=kind["version"], plural=kind["plural"], kind=kind["kind"])


async def _make(
    world: World,
    resource: Resource,
    namespace: str,
    name: str,
    *,
    owner: Mapping[str, Any] | None = None,
    node: str = "",
) -> Mapping[str, Any]:
    kind = resource.kind
    metadata: dict[str, Any] = {"name": name, "labels": {"app": "x"}}
    if namespace:
        metadata["namespace"] = namespace
    if owner is not None:
        metadata["ownerReferences"] = [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
        ]
    spec = _SPECS.get(kind, {}) | ({"nodeName": node} if node else {})
    made = await world.call(
        "POST",
        resource,
        namespace=namespace,
        apiVersion=resource.api_version,
        kind=kind,
        metadata=metadata,
        **({"spec": spec} if spec else {}),
    )
    return {"apiVersion": resource.api_version, "kind": kind, "metadata": made["metadata"]}

"""An API server of metadata: objects by path, and the calls it got."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict
from prometheus_client import CollectorRegistry

from core.common.clock import MockClock
from core.common.resilience import CircuitBreaker, Deadline
from core.kube.client import METADATA_ONLY, KubeClient
from core.kube.transport import ApiRequest, ApiResponse
from core.metrics import Metrics
from core.signals.signal import TargetResource
from core.workloads.kinds import Kinds
from core.workloads.ownership import MetadataReader, OwnerResolver
from core.workloads.qualification import TargetFinder
from core.workloads.scope import Scope, Silence

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Mapping

    from core.workloads.ownership import Lineage

_ROOTS = {
    "Pod": "/api/v1",
    "Node": "/api/v1",
    "Namespace": "/api/v1",
    "ReplicaSet": "/apis/apps/v1",
    "Deployment": "/apis/apps/v1",
    "StatefulSet": "/apis/apps/v1",
    "DaemonSet": "/apis/apps/v1",
    "Job": "/apis/batch/v1",
    "CronJob": "/apis/batch/v1",
    "Rollout": "/apis/argoproj.io/v1alpha1",
    "Fleet": "/apis/example.com/v1",
}
_CLUSTER_SCOPED = ("Node", "Namespace", "Fleet")


def target(kind: str, name: str, **more: str) -> TargetResource:
    """An object in the namespace `shop`, or in none for a cluster-scoped kind."""
    root = _ROOTS[kind].removeprefix("/api/").removeprefix("/apis/")
    namespace = "" if kind in _CLUSTER_SCOPED else "shop"
    return TargetResource(**{"kind": kind, "name": name, "namespace": namespace, "api_version": root} | more)


def path_of(kind: str, name: str) -> str:
    """Where an object is read."""
    scope = "" if kind in _CLUSTER_SCOPED else "/namespaces/shop"
    return f"{_ROOTS[kind]}{scope}/{kind.lower()}s/{name}"


class Objects:
    """The transport under the parts of core.workloads; all of them, on one clock."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.accepted: set[str] = set()
        self.answers: dict[str, tuple[int, Any]] = {}
        self.hold: asyncio.Event | None = None
        self.silence: Silence | None = None
        self.warnings: list[str] = []
        self.clock = MockClock(datetime(2026, 1, 2, tzinfo=UTC))
        self.registry = CollectorRegistry()
        client = KubeClient(transport=self, breaker=CircuitBreaker(clock=self.clock), call_timeout=3.0)
        self.kinds = Kinds(client=client, clock=self.clock)
        self.reader = MetadataReader(client=client, kinds=self.kinds, clock=self.clock)
        self.finder = TargetFinder(reader=self.reader, kinds=self.kinds, remember=600.0)
        self._owners = OwnerResolver(reader=self.reader, remember=600.0, metrics=Metrics(registry=self.registry))

    def add(
        self,
        kind: str,
        name: str,
        *,
        owner: tuple[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        uid: str = "",
        owner_uid: str = "",
        annotations: Mapping[str, str] | None = None,
        being_deleted: bool = False,
        node: str = "",
    ) -> None:
        """Make an object, with a controller and labels; `uid-NAME` is whose uid is not given."""
        references = []
        if owner is not None:
            named = target(*owner)
            reference = {"apiVersion": named.api_version, "kind": named.kind, "name": named.name}
            references = [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "no-controller", "uid": "u"},
                {**reference, "uid": owner_uid or f"uid-{named.name}", "controller": True},
            ]
        metadata = {
            "name": name,
            "uid": uid or f"uid-{name}",
            "labels": dict(labels or {}),
            "annotations": dict(annotations or {}),
            "ownerReferences": references,
            **({"deletionTimestamp": "2026-01-02T00:00:00Z"} if being_deleted else {}),
        }
        spec = {"nodeName": node} if node else {}
        self.answers[path_of(kind, name)] = (200, {"kind": "any", "metadata": metadata, "spec": spec})

    def serve(self, kind: str, *, namespaced: bool = True) -> None:
        """Let discovery tell of a custom kind."""
        plural = f"{kind.lower()}s"
        resources = [
            {"name": f"{plural}/status", "kind": kind, "namespaced": namespaced, "verbs": ["get"]},
            {"name": plural, "kind": kind, "namespaced": namespaced, "verbs": ["get"]},
        ]
        self.answers[_ROOTS[kind]] = (200, {"kind": "APIResourceList", "resources": resources})

    def serve_all(
        self, *kinds: str, aggregated: bool = True, namespaced: Collection[str] = ("Rollout", "Fleet")
    ) -> None:
        """Let discovery tell of all custom kinds, as API servers since 1.27 do or as older ones."""
        groups = []
        for kind in kinds:
            self.serve(kind, namespaced=kind in namespaced)
            group, version = _ROOTS[kind].removeprefix("/apis/").split("/")
            resource = {
                "resource": f"{kind.lower()}s",
                "responseKind": {"group": group, "version": version, "kind": kind},
                "scope": "Namespaced" if kind in namespaced else "Cluster",
                "singularResource": kind.lower(),
                "verbs": ["get", "list"],
            }
            groups.append((group, version, resource))
        if aggregated:
            items = [
                {"metadata": {"name": group}, "versions": [{"version": version, "resources": [resource]}]}
                for group, version, resource in groups
            ]
            self.answers["/apis"] = (200, {"kind": "APIGroupDiscoveryList", "items": items})
        else:
            named = [{"name": group, "preferredVersion": {"version": version}} for group, version, _ in groups]
            self.answers["/apis"] = (200, {"kind": "APIGroupList", "groups": named})
        pods = {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get"]}
        self.answers["/api/v1"] = (200, {"kind": "APIResourceList", "resources": [pods]})

    def refuse(self, path: str, status: int) -> None:
        """Answer `path` with an error from now on."""
        self.answers[path] = (status, {"kind": "Status", "message": "no", "reason": "", "code": status})

    async def resolve(self, kind: str, name: str, **more: str) -> Lineage:
        return await self._owners.resolve(target(kind, name, **more), deadline=self.deadline())

    async def top(self, kind: str, name: str) -> str:
        """Such as `Deployment/cart`."""
        top = (await self.resolve(kind, name)).top
        return f"{top.kind}/{top.name}"

    async def refusal(self, kind: str, name: str, *, label: str) -> str:
        scope = Scope(label=label, reader=self.reader)
        return await scope.refusal(await self.resolve(kind, name), deadline=self.deadline())

    async def silenced(self, kind: str, name: str, *, whole: bool = False, remember: float = 600.0) -> str:
        """Who silences it and until when; empty where nobody does."""
        owners = OwnerResolver(reader=self.reader, remember=remember, metrics=Metrics(registry=CollectorRegistry()))
        self.silence = self.silence or Silence(
            reader=self.reader, clock=self.clock, whole=whole, warn=self.warnings.append
        )
        lineage = await owners.resolve(target(kind, name), deadline=self.deadline())
        found = await self.silence.holding(lineage, deadline=self.deadline())
        return f"{found.by} until {found.moment}" if found else ""

    def deadline(self) -> Deadline:
        return Deadline(clock=self.clock, seconds=8.0)

    def outcomes(self) -> dict[tuple[str, str], float]:
        """What gateway_owner_resolution_total counted."""
        return {
            (sample.labels["kind"], sample.labels["outcome"]): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "gateway_owner_resolution_total"
        }

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        self.calls.append(request.path)
        self.accepted.add(request.accept)
        if self.hold is not None:
            await self.hold.wait()
        missing = {"kind": "Status", "reason": "NotFound", "details": {"name": "it"}, "code": 404}
        status, body = self.answers.get(request.path, (404, missing))
        return ApiResponse(status, CIMultiDict(), json.dumps(body).encode())

    async def close(self) -> None:
        """Nothing is open."""


__all__ = ["METADATA_ONLY", "Objects", "path_of", "target"]

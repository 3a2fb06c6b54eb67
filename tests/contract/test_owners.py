"""From a Pod to its workload on both servers: the same workload, by the same calls."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from core.common.resilience import Deadline
from core.results import Status
from core.signals.signal import NormalizedSignal, TargetResource, fingerprint_of
from core.triggers.cloud_events import CloudEvent
from core.triggers.kubernetes_events import KubernetesEventIntake
from tests.contract.gateways import NEW
from tests.contract.objects import remediation_request
from tests.contract.test_workloads import JOB, POD_SPEC, SELECTOR, TEMPLATE, owned_by
from tests.support.instances import signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.results import SignalResult
    from tests.contract.client import Client
    from tests.contract.gateways import Instance

    Start = Callable[..., Instance]

SPEC = {"selector": SELECTOR, "template": TEMPLATE}
SCOPE = "kubernaut.ai/managed=true"


class Namespace:
    """Makes objects in a namespace, each owned by the one before."""

    def __init__(self, api: Client, name: str) -> None:
        self.api = api
        self.name = name

    async def add(self, root: str, plural: str, name: str, spec: Any, *owners: dict[str, Any]) -> Any:
        body = {"metadata": {"name": name, "ownerReferences": list(owners)}, "spec": spec}
        made = await self.api.post(f"{root}/namespaces/{self.name}/{plural}", body)
        assert made.status == 201, made.body
        return made.body

    async def deployment(self, name: str = "web") -> Any:
        """A Deployment, its ReplicaSet and a Pod."""
        owner = await self.add("/apis/apps/v1", "deployments", name, SPEC)
        return await self.pod_of(owned_by("Deployment", "apps/v1", owner), name)

    async def pod_of(self, owner: dict[str, Any], name: str) -> Any:
        """A ReplicaSet that `owner` controls, and a Pod."""
        replicas = await self.add("/apis/apps/v1", "replicasets", f"{name}-6f7d8c9b5d", SPEC, owner)
        reference = owned_by("ReplicaSet", "apps/v1", replicas)
        return await self.add("/api/v1", "pods", f"{name}-6f7d8c9b5d-x2k4q", POD_SPEC, reference)

    def on(self, kind: str, name: str, api_version: str = "v1") -> NormalizedSignal:
        """An alert about an object."""
        target = TargetResource(kind=kind, name=name, namespace=self.name, api_version=api_version)
        return dataclasses.replace(signal(name), target=target, fingerprint=fingerprint_of(target))

    def fingerprint(self, kind: str, name: str) -> str:
        return fingerprint_of(TargetResource(kind=kind, name=name, namespace=self.name))


@pytest.fixture
async def shop(api: Client) -> Namespace:
    """A namespace of workloads, beside the gateway's."""
    return await made(api, f"shop-{uuid4().hex[:10]}")


async def made(api: Client, name: str) -> Namespace:
    reply = await api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    assert reply.status == 201, reply.body
    return Namespace(api, name)


async def test_pod_belongs_to_its_deployment_for_three_calls_and_then_none(start: Start, shop: Namespace):
    await shop.deployment()
    one = start(owners="resolve")
    (created,) = await one.post(shop.on("Pod", "web-6f7d8c9b5d-x2k4q"))
    assert created.fingerprint == shop.fingerprint("Deployment", "web")
    assert one.calls == ["GET pods", "GET replicasets", "GET deployments", *NEW]
    one.calls.clear()
    (repeat,) = await one.post(shop.on("Pod", "web-6f7d8c9b5d-x2k4q"))
    assert repeat.status is Status.DEDUPLICATED
    assert one.calls == ["PATCH remediationrequests/status"]


async def test_pod_that_is_gone_belongs_to_its_deployment_still(start: Start, shop: Namespace):
    await shop.deployment()
    (created,) = await start(owners="resolve").post(shop.on("Pod", "web-6f7d8c9b5d-zzzzz"))
    assert created.fingerprint == shop.fingerprint("Deployment", "web")


async def test_pod_of_nothing_stays_a_pod(start: Start, shop: Namespace):
    one = start(owners="resolve")
    (created,) = await one.post(shop.on("Pod", "web-6f7d8c9b5d-x2k4q"))
    assert created.fingerprint == shop.fingerprint("Pod", "web-6f7d8c9b5d-x2k4q")
    looked_up = ["GET pods", "GET replicasets", "GET deployments", "GET daemonsets", "GET jobs"]
    assert one.calls == [*looked_up, *NEW]


async def test_job_belongs_to_its_cron_job(start: Start, shop: Namespace):
    cron = await shop.add(
        "/apis/batch/v1", "cronjobs", "backup", {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}
    )
    await shop.add("/apis/batch/v1", "jobs", "backup-29000000", JOB, owned_by("CronJob", "batch/v1", cron))
    (created,) = await start(owners="resolve").post(shop.on("Job", "backup-29000000", "batch/v1"))
    assert created.fingerprint == shop.fingerprint("CronJob", "backup")


async def test_custom_owner_is_found_by_discovery(start: Start, shop: Namespace):
    group = await define_rollouts(shop.api)
    rollout = {"apiVersion": f"{group}/v1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": {}}
    made = await shop.api.post(f"/apis/{group}/v1/namespaces/{shop.name}/rollouts", rollout)
    await shop.pod_of(owned_by("Rollout", f"{group}/v1", made.body), "web")
    one = start(owners="resolve")
    (created,) = await one.post(shop.on("Pod", "web-6f7d8c9b5d-x2k4q"))
    assert created.fingerprint == shop.fingerprint("Rollout", "web")
    assert one.calls == ["GET pods", "GET replicasets", "GET kinds", "GET rollouts", *NEW]


async def test_custom_owner_whose_definition_is_gone_does_not_count(start: Start, shop: Namespace):
    owner = {"apiVersion": "gone.example/v1", "kind": "Rollout", "name": "web", "uid": "u-1", "controller": True}
    await shop.pod_of(owner, "web")
    (created,) = await start(owners="resolve").post(shop.on("Pod", "web-6f7d8c9b5d-x2k4q"))
    assert created.fingerprint == shop.fingerprint("ReplicaSet", "web-6f7d8c9b5d")


async def test_scope_is_read_from_the_namespace(start: Start, shop: Namespace):
    one = start(owners="resolve", scope_label=SCOPE)
    (rejected,) = await one.post(shop.on("Deployment", "web", "apps/v1"))
    assert rejected.status is Status.REJECTED
    assert one.calls == ["GET deployments", "GET namespaces"]
    labels = {"metadata": {"labels": {"kubernaut.ai/managed": "true"}}}
    assert (await shop.api.patch(f"/api/v1/namespaces/{shop.name}", labels)).status == 200
    (created,) = await start(owners="resolve", scope_label=SCOPE).post(shop.on("Deployment", "web", "apps/v1"))
    assert created.status is Status.CREATED


class TestForgery:
    """Whoever may make Pods or Events in a namespace writes uids of others into them."""

    async def test_pod_with_a_victims_uid_takes_nothing_from_it_and_gives_nothing(self, start: Start, shop: Namespace):
        await shop.deployment("web")
        victims = (await shop.api.get(f"/apis/apps/v1/namespaces/{shop.name}/replicasets/web-6f7d8c9b5d")).body
        trap = await shop.add("/apis/apps/v1", "replicasets", "trap", SPEC)
        forged = owned_by("ReplicaSet", "apps/v1", trap) | {"uid": victims["metadata"]["uid"]}
        await shop.add("/api/v1", "pods", "forged-uid", POD_SPEC, forged)
        named = owned_by("ReplicaSet", "apps/v1", victims) | {"uid": trap["metadata"]["uid"]}
        await shop.add("/api/v1", "pods", "forged-name", POD_SPEC, named)
        one = start(owners="resolve")
        results = [
            (await one.post(shop.on("Pod", name)))[0] for name in ("forged-uid", "forged-name", "web-6f7d8c9b5d-x2k4q")
        ]
        assert [each.fingerprint for each in results] == [
            shop.fingerprint("Pod", "forged-uid"),
            shop.fingerprint("Pod", "forged-name"),
            shop.fingerprint("Deployment", "web"),
        ]

    async def test_event_about_a_pod_of_another_namespace_which_the_server_takes_is_not_believed(
        self, start: Start, shop: Namespace
    ):
        await shop.deployment("web")
        evil = await made(shop.api, f"evil-{uuid4().hex[:10]}")
        pod = (await shop.api.get(f"/api/v1/namespaces/{shop.name}/pods/web-6f7d8c9b5d-x2k4q")).body["metadata"]
        event = {
            "metadata": {"name": "forged"},
            "involvedObject": {"apiVersion": "v1", "kind": "Pod"}
            | {key: pod[key] for key in ("name", "namespace", "uid")},
            "type": "Warning",
            "reason": "Failed",
            "action": "Kill",
            "eventTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "reportingComponent": "evil.example/controller",
            "reportingInstance": "evil-0",
        }
        stored = await shop.api.post(f"/api/v1/namespaces/{evil.name}/events", event)
        assert stored.status == 201, stored.body
        one = start(owners="resolve")
        (ignored,) = await tell(one, "forged", evil.name)
        assert (ignored.status, ignored.reason) == (Status.IGNORED, "beyond_reach")
        assert one.calls == ["GET events"]
        (created,) = await one.post(shop.on("Pod", pod["name"]))
        assert created.fingerprint == shop.fingerprint("Deployment", "web")

    async def test_uid_of_the_past_is_not_the_pod_that_has_its_name_now(self, start: Start, shop: Namespace):
        spec = SPEC | {"serviceName": "db"}
        owner = await shop.add("/apis/apps/v1", "statefulsets", "db", spec)
        await shop.add("/api/v1", "pods", "db-0", POD_SPEC, owned_by("StatefulSet", "apps/v1", owner))
        event = {
            "metadata": {"name": "late"},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": "db-0",
                "namespace": shop.name,
                "uid": "past",
            },
            "type": "Warning",
            "reason": "Failed",
        }
        assert (await shop.api.post(f"/api/v1/namespaces/{shop.name}/events", event)).status == 201
        one = start(owners="resolve")
        (created,) = await tell(one, "late", shop.name)
        assert created.fingerprint == shop.fingerprint("StatefulSet", "db")
        assert one.calls == ["GET events", "GET pods", "GET statefulsets", *NEW]


async def tell(instance: Instance, event: str, namespace: str) -> list[SignalResult]:
    """Send an Event's name, as an ApiServerSource does in its mode Reference."""
    reference = {"apiVersion": "v1", "kind": "Event", "name": event, "namespace": namespace}
    told = CloudEvent(type="dev.knative.apiserver.ref.add", source="s", id="1", data=reference)
    deadline = Deadline(clock=instance.gateway.clock, seconds=8)
    return await KubernetesEventIntake.over(instance.gateway).receive(told, deadline=deadline)


class TestOwnDoing:
    async def test_event_about_an_rr_that_the_gateway_made_ends_there(
        self, start: Start, shop: Namespace, namespace: str
    ):
        await shop.deployment()
        one = start(owners="resolve")
        (created,) = await one.post(shop.on("Pod", "web-6f7d8c9b5d-x2k4q"))
        events = f"/api/v1/namespaces/{namespace}/events"
        about = {"apiVersion": "remediation.kubernaut.ai/v1alpha1", "kind": "RemediationRequest"}
        warning = {
            "metadata": {"name": "rr-warning"},
            "involvedObject": about | {"name": created.rr_name, "namespace": namespace},
            "type": "Warning",
            "reason": "RemediationFailed",
        }
        stored = await shop.api.post(events, warning)
        assert stored.status == 201, stored.body
        one.calls.clear()
        (ignored,) = await tell(one, "rr-warning", namespace)
        assert (ignored.status, ignored.reason) == (Status.IGNORED, "own")
        assert one.calls == ["GET events"]

    async def test_job_that_an_rr_owns_is_told_by_its_owner(self, start: Start, shop: Namespace):
        one = start(owners="resolve", own_namespace="take")
        own = await made(shop.api, f"own-{uuid4().hex[:10]}")
        path = f"/apis/remediation.kubernaut.ai/v1alpha1/namespaces/{own.name}/remediationrequests"
        owner = await shop.api.post(path, remediation_request("rr-1"))
        reference = owned_by("RemediationRequest", "remediation.kubernaut.ai/v1alpha1", owner.body)
        job = await own.add("/apis/batch/v1", "jobs", "fix", JOB, reference)
        await own.add("/api/v1", "pods", "fix-x2k4q", POD_SPEC, owned_by("Job", "batch/v1", job))
        (ignored,) = await one.post(own.on("Pod", "fix-x2k4q"))
        assert (ignored.status, ignored.reason) == (Status.IGNORED, "own")
        assert one.calls == ["GET pods", "GET jobs", "GET kinds", "GET remediationrequests"]


async def define_rollouts(api: Client) -> str:
    """Install a kind Rollout in a group of its own; return the group."""
    group = f"r{uuid4().hex[:8]}.example"
    schema = {"type": "object", "properties": {"spec": {"type": "object"}}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"rollouts.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "rollouts", "singular": "rollout", "kind": "Rollout", "listKind": "RolloutList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    made = await api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    assert made.status == 201, made.body
    while (await api.get(f"/apis/{group}/v1/rollouts", resourceVersion="0", limit="1")).status != 200:
        pass
    return group

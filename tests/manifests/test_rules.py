"""The service account has every rule it needs, and none that it does not: each one is taken away in turn."""

from __future__ import annotations

import dataclasses
import logging
import random
import ssl
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pytest
import yaml
from prometheus_client import CollectorRegistry

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.errors import SluiceError
from core.gateway import Gateway, build_gateway
from core.kube.client import path_of
from core.kube.transport import HttpTransport, StaticToken
from core.metrics import Metrics
from core.protocol.lease import lease_name
from core.settings import Settings
from core.signals.signal import Batch, TargetResource
from core.triggers.cloud_events import CloudEvent
from core.triggers.dead_letter import DEAD_LETTERS
from core.triggers.dead_letter_sink import DeadLetterSink
from core.triggers.kubernetes_events import KubernetesEventIntake
from tests.manifests.building import ROOT
from tests.support.cluster import (
    GATEWAY_RULES,
    REVIEW_RULES,
    SENDER,
    SENDER_RULES,
    WORKLOAD_RULES,
    Cluster,
    install_definition,
    rule,
)
from tests.support.instances import signal
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.apiserver import KubeApiserver
    from tests.support.cluster import Rule

HEEDED_WITHIN = 10.0  # seconds; the API server hears of a new rule through a watch
_names = count()


@dataclass
class Scene:
    """A gateway that runs with one service account's token."""

    cluster: Cluster
    gateway: Gateway
    sender: str

    async def post(self, name: str, *, kind: str = "Deployment", api_version: str = "apps/v1") -> str:
        """Send a signal about an object; return what went wrong."""
        target = TargetResource(
            kind=kind,
            name=name,
            namespace="" if kind in ("Node", "PersistentVolume") else "prod",
            api_version=api_version,
        )
        sent = dataclasses.replace(signal(name), target=target)
        (result,) = await self.gateway.pipeline.process(
            Batch([sent], "test"), digest=random.randbytes(8), deadline=self.deadline()
        )
        return result.error

    def deadline(self) -> Deadline:
        return Deadline(clock=self.gateway.clock, seconds=8.0)

    def name(self) -> str:
        """One that was never used."""
        return f"n{next(_names)}"


async def new_signal(scene: Scene) -> str:
    return await scene.post(scene.name())


LEASE_LEFT = 'apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["delete"]'


async def lease_is_left(scene: Scene) -> str:
    # A Lease that cannot be deleted only costs the next problem two calls, so nobody is told.
    error = await scene.post(scene.name())
    sweeper = scene.gateway.sweeper
    sweeper._due = OrderedDict((name, (0.0, lease)) for name, (_, lease) in sweeper._due.items())
    await sweeper.sweep()
    left = scene.cluster.leases()
    return error or (LEASE_LEFT if left else "")


async def lease_of_another(scene: Scene, *, seconds: int = 30) -> str:
    name = scene.name()
    fingerprint = signal(name).fingerprint
    scene.cluster.call(
        "POST",
        f"/apis/coordination.k8s.io/v1/namespaces/{scene.cluster.namespace}/leases",
        {
            "metadata": {"name": lease_name(fingerprint)},
            "spec": {"holderIdentity": "another", "leaseDurationSeconds": seconds},
        },
    )
    return await scene.post(name)


async def expired_lease(scene: Scene) -> str:
    return await lease_of_another(scene, seconds=1)


async def ended_request(scene: Scene) -> str:
    name = scene.name()
    if error := await scene.post(name):
        return error
    fingerprint = signal(name).fingerprint
    (rr,) = [each for each in scene.cluster.rrs() if each["spec"]["signalFingerprint"] == fingerprint]
    scene.cluster.set_phase(rr["metadata"]["name"], "Completed")
    return await scene.post(name)


async def repeated_signal(scene: Scene) -> str:
    name = scene.name()
    return await scene.post(name) or await scene.post(name)


async def sender(scene: Scene) -> str:
    gate = scene.gateway.gate
    assert gate is not None
    await gate.admit(f"Bearer {scene.sender}", deadline=scene.deadline())
    return ""


def alert_on(kind: str, api_version: str) -> Callable[[Scene], Awaitable[str]]:
    async def step(scene: Scene) -> str:
        return await scene.post(scene.name(), kind=kind, api_version=api_version)

    return step


def reference_to(api_version: str) -> Callable[[Scene], Awaitable[str]]:
    async def step(scene: Scene) -> str:
        data = {"apiVersion": api_version, "kind": "Event", "name": "gone", "namespace": scene.cluster.namespace}
        event = CloudEvent(type="dev.knative.apiserver.ref.add", source="test", id="1", data=data)
        await KubernetesEventIntake.over(scene.gateway).receive(event, deadline=scene.deadline())
        return ""

    return step


# What of the gateway's work each rule is for. A rule without its row fails the tests, and so does one whose row
# works without it.
STEPS: dict[tuple[str, str, str], Callable[[Scene], Awaitable[str]]] = {
    ("remediation.kubernaut.ai", "remediationrequests", "create"): new_signal,
    ("remediation.kubernaut.ai", "remediationrequests", "get"): ended_request,
    ("remediation.kubernaut.ai", "remediationrequests", "list"): new_signal,
    ("remediation.kubernaut.ai", "remediationrequests/status", "patch"): repeated_signal,
    ("coordination.k8s.io", "leases", "create"): new_signal,
    ("coordination.k8s.io", "leases", "get"): lease_of_another,
    ("coordination.k8s.io", "leases", "update"): expired_lease,
    ("coordination.k8s.io", "leases", "delete"): lease_is_left,
    ("authentication.k8s.io", "tokenreviews", "create"): sender,
    ("authorization.k8s.io", "subjectaccessreviews", "create"): sender,
    ("", "pods", "get"): alert_on("Pod", "v1"),
    ("", "replicationcontrollers", "get"): alert_on("ReplicationController", "v1"),
    ("apps", "replicasets", "get"): alert_on("ReplicaSet", "apps/v1"),
    ("apps", "deployments", "get"): alert_on("Deployment", "apps/v1"),
    ("apps", "statefulsets", "get"): alert_on("StatefulSet", "apps/v1"),
    ("apps", "daemonsets", "get"): alert_on("DaemonSet", "apps/v1"),
    ("batch", "jobs", "get"): alert_on("Job", "batch/v1"),
    ("batch", "cronjobs", "get"): alert_on("CronJob", "batch/v1"),
    ("", "namespaces", "get"): alert_on("Deployment", "apps/v1"),
    ("", "nodes", "get"): alert_on("Node", "v1"),
    ("", "persistentvolumes", "get"): alert_on("PersistentVolume", "v1"),
    ("", "persistentvolumeclaims", "get"): alert_on("PersistentVolumeClaim", "v1"),
    ("autoscaling", "horizontalpodautoscalers", "get"): alert_on("HorizontalPodAutoscaler", "autoscaling/v2"),
    ("policy", "poddisruptionbudgets", "get"): alert_on("PodDisruptionBudget", "policy/v1"),
    ("", "events", "get"): reference_to("v1"),
    ("events.k8s.io", "events", "get"): reference_to("events.k8s.io/v1"),
}
SCOPED = {"namespaces", "nodes", "persistentvolumes", "persistentvolumeclaims"} | {
    "horizontalpodautoscalers",
    "poddisruptionbudgets",
}


def single(rules: list[Rule]) -> list[tuple[str, str, str]]:
    """Each rule taken apart: one group, one resource, one verb."""
    return [
        (group, resource, verb)
        for each in rules
        for group in each["apiGroups"]
        for resource in each["resources"]
        for verb in each["verbs"]
    ]


IN_NAMESPACE, IN_CLUSTER = single(GATEWAY_RULES), single(REVIEW_RULES + WORKLOAD_RULES)


@pytest.fixture
def cluster(kube_apiserver: KubeApiserver) -> Cluster:
    """A namespace of its own, whose rules a test may change before anybody uses them."""
    return Cluster(kube_apiserver)


@asynccontextmanager
async def scene_with(cluster: Cluster, *, scope: str = "") -> AsyncIterator[Scene]:
    tls = ssl.create_default_context(cafile=cluster.server.ca_file)
    gateway = build_gateway(
        settings=Settings(namespace=cluster.namespace, auth="kubernetes", scope_label=scope, owner_cache=0),
        transport=HttpTransport(
            server=cluster.server.url,
            tls=tls,
            tokens=StaticToken(cluster.token),
            user_agent="sluice/test",
            connections=10,
        ),
        metrics=Metrics(registry=CollectorRegistry()),
        logger=logging.getLogger("sluice.test"),
        clock=RealClock(),
    )
    try:
        yield Scene(cluster, gateway, sender=cluster.add_account(SENDER, SENDER_RULES))
    finally:
        await gateway.close()


async def outcome(scene: Scene, step: Callable[[Scene], Awaitable[str]]) -> str:
    try:
        return await step(scene)
    except SluiceError as error:
        return str(error)


SINK_RULES = [
    rule
    for each in yaml.safe_load_all((ROOT / "base" / "dead-letters.yaml").read_text())
    if each["kind"] == "Role"
    for rule in each["rules"]
]


@pytest.mark.parametrize("missing", [None, *single(SINK_RULES)], ids=str)
async def test_sink_needs_each_of_its_rules(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, missing: tuple[str, str, str] | None
) -> None:
    """One that is missing is named, in the answer or in the log: to keep an event matters more than to delete one."""
    install_definition(cluster.server, ROOT / "cluster" / "dead-letter-crd.yaml")
    cluster.set_rules("sluice", [rule(*each) for each in single(SINK_RULES) if each != missing])
    async with scene_with(cluster) as scene:
        old = {"metadata": {"name": "old"}, "spec": {"type": "t", "source": "s", "id": "old"}}
        path = path_of(DEAD_LETTERS, namespace=cluster.namespace)

        async def said() -> str:
            if not any(each["metadata"]["name"] == "old" for each in cluster.call("GET", path).body["items"]):
                body = {"apiVersion": DEAD_LETTERS.api_version, "kind": DEAD_LETTERS.kind, **old}
                cluster.call("POST", path, body)
            caplog.clear()
            sink = DeadLetterSink(scene.gateway)
            sink._max_age = -1
            headers = {"ce-specversion": "1.0", "ce-type": "t", "ce-source": "s", "ce-id": scene.name()}
            try:
                await sink.receive(headers, b"{}", deadline=scene.deadline())
            except SluiceError as error:
                return str(error)
            return caplog.text

        async def is_right() -> bool:
            text = await said()
            named = "" if missing is None else f'resources: ["{missing[1]}"], verbs: ["{missing[2]}"]'
            return named in text and ("this rule is missing" in text) is (missing is not None)

        await eventually(is_right, what=f"{missing} to be missed", within=HEEDED_WITHIN)


def test_every_rule_has_its_use() -> None:
    assert set(IN_NAMESPACE + IN_CLUSTER) == STEPS.keys()


@pytest.mark.parametrize("missing", STEPS, ids="-".join)
async def test_without_a_single_rule_something_fails(cluster: Cluster, missing: tuple[str, str, str]) -> None:
    cluster.set_rules("sluice", [rule(*each) for each in IN_NAMESPACE if each != missing])
    cluster.set_cluster_rules([rule(*each) for each in IN_CLUSTER if each != missing])
    group, resource, verb = missing
    named = f'apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]'
    scope = "kubernaut.ai/managed=true" if resource in SCOPED else ""

    async with scene_with(cluster, scope=scope) as scene:

        async def is_named() -> bool:
            return named in await outcome(scene, STEPS[missing])

        await eventually(is_named, what=f"the answer to name {named}", within=HEEDED_WITHIN)


async def test_with_all_rules_everything_works(cluster: Cluster) -> None:
    # A Lease that another holds makes a signal wait in vain, whatever the rules.
    steps = [step for step in dict.fromkeys(STEPS.values()) if step is not lease_of_another]
    async with scene_with(cluster) as scene:

        async def works() -> bool:
            return not [error for step in steps if (error := await outcome(scene, step))]

        await eventually(works, what="every step to work", within=HEEDED_WITHIN)

"""Through the whole pipeline: which of its candidates an RR is about, what that costs, and how the RR says so."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.kube.resources import Resource
from core.results import Status
from core.signals.signal import Candidate, Lookup, NormalizedSignal, TargetResource, fingerprint_of
from core.workloads.qualification import FOUND_BY_ANNOTATION
from tests.support.instances import NAMESPACE, SHOP, Instance, World, signal
from tests.unit.protocol.calls import NEW
from tests.unit.protocol.test_workloads import DEPLOYMENTS, POD_SPEC, PODS, WORKLOAD

NODES = Resource("", "v1", "nodes", "Node")
EXPORTER = TargetResource(kind="Pod", name="node-exporter-8x2zk", namespace=SHOP, api_version="v1")
REPEAT = ["PATCH remediationrequests/status"]


def candidate(kind: str, name: str, *, namespace: str = SHOP, **more: Any) -> Candidate:
    versions = {"Deployment": "apps/v1", "Pod": "v1", "Node": "v1"}
    about = TargetResource(kind=kind, name=name, namespace=namespace, api_version=versions.get(kind, ""))
    return Candidate(target=about, label=kind.lower(), rule="workload", **more)


def alert(*candidates: Candidate, **more: Any) -> NormalizedSignal:
    first = candidates[0].target
    return dataclasses.replace(
        signal(), target=first, candidates=candidates, **({"fingerprint": fingerprint_of(first)} | more)
    )


def problem(kind: str, name: str, namespace: str = SHOP) -> str:
    return fingerprint_of(TargetResource(kind=kind, name=name, namespace=namespace))


@pytest.fixture
def instance(world: World) -> Instance:
    return world.instance(owners="resolve")


@pytest.fixture
async def cart(world: World) -> None:
    await world.call("POST", DEPLOYMENTS, namespace=SHOP, metadata={"name": "cart"}, spec=WORKLOAD)


@pytest.mark.usefixtures("cart")
async def test_candidate_that_exists_is_the_target_and_the_rr_says_how_it_was_found(
    world: World, instance: Instance
) -> None:
    about = alert(candidate("Pod", "exporter-abc", must_exist=True), candidate("Deployment", "cart"))
    (created,) = await instance.post(about)
    assert (created.status, created.fingerprint) == (Status.CREATED, problem("Deployment", "cart"))
    rr = await world.only_rr(created.fingerprint)
    assert rr["spec"]["targetResource"]["name"] == "cart"
    assert rr["metadata"]["annotations"][FOUND_BY_ANNOTATION] == "deployment (workload)"
    assert instance.calls == ["GET pods", "GET deployments", *NEW]
    instance.restart()
    await instance.post(about)
    assert instance.calls == REPEAT


async def test_where_no_candidate_has_to_count_nothing_is_stored(instance: Instance) -> None:
    (result,) = await instance.post(alert(candidate("Pod", "cert-manager-rk2bv", must_exist=True)))
    assert (result.status, result.reason) == (Status.IGNORED, "no_target")
    assert "pod=cert-manager-rk2bv" in result.error
    assert instance.calls == ["GET pods"]


async def test_exporters_alert_is_about_the_node_and_a_repeat_costs_one_call(world: World, instance: Instance) -> None:
    await world.call("POST", NODES, namespace="", metadata={"name": "worker-1"})
    pod = {"name": EXPORTER.name}
    await world.call("POST", PODS, namespace=SHOP, metadata=pod, spec=POD_SPEC | {"nodeName": "worker-1"})
    about = alert(Candidate(target=EXPORTER, label="pod", rule="node-exporter", lookup=Lookup.NODE_OF_POD))
    (created,) = await instance.post(about)
    assert created.fingerprint == problem("Node", "worker-1", "")
    assert instance.calls == ["GET pods", "GET nodes", *NEW]
    instance.restart()
    await instance.post(about)
    assert instance.calls == REPEAT


async def test_namespace_that_a_hint_gives_a_node_is_none(instance: Instance) -> None:
    hint = candidate("node", "worker-1", lookup=Lookup.SINGULAR)
    (created,) = await instance.post(alert(hint))
    assert created.fingerprint == problem("Node", "worker-1", "")


async def test_own_namespace_is_known_after_the_choice_too(world: World, instance: Instance) -> None:
    await world.call("POST", PODS, namespace=NAMESPACE, metadata={"name": "sluice-0"}, spec=POD_SPEC)
    (result,) = await instance.post(
        alert(candidate("Deployment", "gone", must_exist=True), candidate("Pod", "sluice-0", namespace=NAMESPACE))
    )
    assert (result.status, result.reason) == (Status.IGNORED, "own")


async def test_failing_look_stores_nothing(instance: Instance) -> None:
    instance.wire.on("GET pods", drop=True)
    (failed,) = await instance.post(alert(candidate("Pod", "a", must_exist=True), candidate("Pod", "b")))
    assert failed.status is Status.FAILED


class TestWithoutLookups:
    @pytest.fixture
    def by_name(self, world: World) -> Instance:
        return world.instance(owners="as-named")

    async def test_first_that_counts_without_a_look_is_taken(self, by_name: Instance) -> None:
        (created,) = await by_name.post(alert(candidate("Pod", "x", must_exist=True), candidate("Deployment", "cart")))
        assert created.fingerprint == problem("Deployment", "cart")
        assert by_name.calls == NEW

    async def test_what_only_the_cluster_could_decide_has_no_target(self, by_name: Instance) -> None:
        (result,) = await by_name.post(alert(candidate("Pod", "x", must_exist=True)))
        assert (result.status, result.reason) == (Status.IGNORED, "no_target")
        assert by_name.calls == []

    async def test_other_clusters_alert_is_taken_by_name_with_its_cluster(self, instance: Instance) -> None:
        about = alert(candidate("Pod", "x", must_exist=True), candidate("Deployment", "cart"), cluster_id="elsewhere")
        (created,) = await instance.post(about)
        cart = TargetResource(kind="Deployment", name="cart", namespace=SHOP)
        assert created.fingerprint == fingerprint_of(cart, cluster="elsewhere")
        assert instance.calls == NEW

"""Through the whole pipeline: one problem for a workload's parts, what that costs, and what stays out."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from core.kube.resources import Resource
from core.results import Status
from core.signals.signal import NormalizedSignal, TargetResource, fingerprint_of
from core.workloads.qualification import OBJECT_ANNOTATION, OWNER_ANNOTATION
from tests.support.instances import SHOP, Instance, World, count, signal
from tests.unit.protocol.calls import NEW_OF_SEVERAL

if TYPE_CHECKING:
    from collections.abc import Sequence

PODS = Resource("", "v1", "pods", "Pod")
SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
POD_SPEC = {"containers": [{"name": "c", "image": "i"}]}
WORKLOAD = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD_SPEC}}
SET = "cart-6f7d8c9b5d"
CART = fingerprint_of(TargetResource(kind="Deployment", name="cart", namespace=SHOP))


@pytest.fixture
async def deployed(world: World) -> World:
    """A Deployment `cart` whose ReplicaSet has 20 Pods."""
    deployment = await world.call("POST", DEPLOYMENTS, namespace=SHOP, metadata={"name": "cart"}, spec=WORKLOAD)
    replica_set = await world.call(
        "POST", SETS, namespace=SHOP, metadata={"name": SET, "ownerReferences": [controller(deployment)]}, spec=WORKLOAD
    )
    for name in pods(20):
        await world.call(
            "POST",
            PODS,
            namespace=SHOP,
            metadata={"name": name, "ownerReferences": [controller(replica_set)]},
            spec=POD_SPEC,
        )
    return world


def controller(owner: Any) -> dict[str, Any]:
    named = {"apiVersion": "apps/v1", "kind": owner["kind"], "name": owner["metadata"]["name"]}
    return named | {"uid": owner["metadata"]["uid"], "controller": True}


def pods(number: int) -> list[str]:
    return [f"{SET}-{chr(ord('f') + index // 5)}bbb{index % 5 + 4}" for index in range(number)]


def on(pod: str, **more: Any) -> NormalizedSignal:
    """An alert on a Pod, with the fingerprint that its labels alone give."""
    target = TargetResource(kind="Pod", name=pod, namespace=SHOP, api_version="v1")
    return dataclasses.replace(signal(pod), target=target, fingerprint=fingerprint_of(target), **more)


def statuses(results: Sequence[Any]) -> list[Status]:
    return [result.status for result in results]


def resolving(world: World, **settings: Any) -> Instance:
    return world.instance(owners="resolve", **settings)


async def test_pods_of_one_deployment_are_one_problem_and_a_repeat_pays_for_no_lookup(deployed: World) -> None:
    instance = resolving(deployed)

    results = await instance.post(*(on(pod) for pod in pods(20)))

    assert statuses(results) == [Status.CREATED] + [Status.DEDUPLICATED] * 19
    rr = await deployed.only_rr(CART)
    assert count(rr) == 20
    assert rr["spec"]["targetResource"] == {
        "kind": "Pod",
        "name": pods(1)[0],
        "namespace": SHOP,
        "apiVersion": "v1",
    }
    assert rr["metadata"]["annotations"][OWNER_ANNOTATION] == "Deployment/cart"
    lookups = {"GET pods": 20, "GET replicasets": 1, "GET deployments": 1}
    assert Counter(instance.calls) == Counter(lookups) + Counter(NEW_OF_SEVERAL)

    instance.restart()
    assert statuses(await instance.post(*(on(pod) for pod in pods(20)))) == [Status.DEDUPLICATED] * 20
    assert instance.calls == ["PATCH remediationrequests/status"]


async def test_pod_that_replaces_another_joins_its_rr(deployed: World) -> None:
    first, second = pods(2)
    assert statuses(await resolving(deployed).post(on(first))) == [Status.CREATED]
    assert statuses(await resolving(deployed).post(on(second))) == [Status.DEDUPLICATED]
    await deployed.call("DELETE", PODS, first, namespace=SHOP)
    assert statuses(await resolving(deployed).post(on(first))) == [Status.DEDUPLICATED]
    assert count(await deployed.only_rr(CART)) == 3


@pytest.mark.parametrize("call", ["GET pods", "GET replicasets", "GET deployments"])
async def test_lookup_that_fails_stores_nothing_and_the_retry_finds_the_same_workload(
    deployed: World, call: str
) -> None:
    instance = resolving(deployed)
    instance.wire.on(call, drop=True)

    (failed,) = await instance.post(on(pods(1)[0]))

    assert failed.status is Status.FAILED
    assert failed.retry_after
    assert not any("leases" in made or "remediationrequests" in made for made in instance.calls)
    assert statuses(await instance.post(on(pods(1)[0]))) == [Status.CREATED]
    assert count(await deployed.only_rr(CART)) == 1


async def test_what_could_be_stored_beside_a_failed_lookup_is_not_counted_again(deployed: World) -> None:
    instance = resolving(deployed)
    other = on("lonely")
    signals = [on(pods(1)[0]), other]
    instance.wire.on("GET replicasets", drop=True)

    assert set(statuses(await instance.post(*signals, digest=b"same"))) == {Status.FAILED, Status.CREATED}
    assert statuses(await instance.post(*signals, digest=b"same")) == [Status.CREATED, Status.CREATED]

    assert count(await deployed.only_rr(other.fingerprint)) == 1


class TestClusters:
    async def test_alert_of_another_cluster_is_taken_as_it_is_named(self, deployed: World) -> None:
        instance = resolving(deployed)
        (result,) = await instance.post(on(pods(1)[0], cluster_id="elsewhere"))
        assert result.status is Status.CREATED
        assert not any(call.startswith("GET") for call in instance.calls)

    async def test_alert_of_this_cluster_meets_what_names_no_cluster(self, deployed: World) -> None:
        instance = resolving(deployed, cluster="here")
        assert statuses(await instance.post(on(pods(1)[0], cluster_id="here"))) == [Status.CREATED]
        assert statuses(await instance.post(on(pods(2)[1]))) == [Status.DEDUPLICATED]

    @pytest.mark.parametrize("owners", ["resolve", "as-named"])
    async def test_own_name_is_not_written_as_another_clusters(self, deployed: World, owners: str) -> None:
        instance = deployed.instance(owners=owners, cluster="here")
        (result,) = await instance.post(on(pods(1)[0], cluster_id="here"))
        rr = await deployed.only_rr(result.fingerprint)
        assert "clusterID" not in rr["spec"]


class TestOwnerAsTarget:
    async def test_workload_is_the_target_and_the_pod_stays_in_an_annotation(self, deployed: World) -> None:
        instance = resolving(deployed, target="owner")
        assert statuses(await instance.post(*(on(pod) for pod in pods(2)))) == [Status.CREATED, Status.DEDUPLICATED]
        rr = await deployed.only_rr(CART)
        target = {"kind": "Deployment", "name": "cart", "namespace": SHOP, "apiVersion": "apps/v1"}
        assert rr["spec"]["targetResource"] == target
        assert rr["metadata"]["annotations"][OBJECT_ANNOTATION] == f"Pod {SHOP}/{pods(1)[0]}"
        assert OWNER_ANNOTATION not in rr["metadata"]["annotations"]

    async def test_object_without_an_owner_is_the_target_itself(self, deployed: World) -> None:
        (result,) = await resolving(deployed, target="owner").post(on("lonely"))
        rr = await deployed.only_rr(result.fingerprint)
        assert rr["spec"]["targetResource"]["name"] == "lonely"
        assert OBJECT_ANNOTATION not in rr["metadata"]["annotations"]


class TestScope:
    async def test_out_of_scope_is_rejected_with_the_reason_and_nothing_is_written(self, deployed: World) -> None:
        instance = resolving(deployed, scope_label="kubernaut.ai/managed=true")
        (result,) = await instance.post(on(pods(1)[0]))
        assert result.status is Status.REJECTED
        assert result.error.startswith("out of scope: none of Pod ")
        assert result.remedy == f"kubectl label -n {SHOP} deployment cart kubernaut.ai/managed=true --overwrite"
        assert instance.calls == ["GET pods", "GET replicasets", "GET deployments", "GET namespaces"]

    async def test_failing_look_at_the_namespace_decides_nothing(self, deployed: World) -> None:
        instance = resolving(deployed, scope_label="kubernaut.ai/managed=true")
        instance.wire.on("GET namespaces", drop=True)
        (result,) = await instance.post(on(pods(1)[0]))
        assert result.status is Status.FAILED

    async def test_namespace_that_is_gone_has_no_label(self, deployed: World) -> None:
        instance = resolving(deployed, scope_label="kubernaut.ai/managed=true")
        gone = TargetResource(kind="Pod", name="p", namespace="gone", api_version="v1")
        (result,) = await instance.post(dataclasses.replace(on("p"), target=gone))
        assert (result.status, result.reason) == (Status.REJECTED, "out_of_scope")

    async def test_labelled_owner_is_in_scope(self, deployed: World) -> None:
        metadata = {"labels": {"kubernaut.ai/managed": "true"}}
        await deployed.call("PATCH", DEPLOYMENTS, "cart", namespace=SHOP, metadata=metadata)
        instance = resolving(deployed, scope_label="kubernaut.ai/managed=true")
        assert statuses(await instance.post(on(pods(1)[0]))) == [Status.CREATED]

    async def test_other_clusters_objects_cannot_be_judged(self, deployed: World) -> None:
        instance = resolving(deployed, scope_label="kubernaut.ai/managed=true")
        (result,) = await instance.post(on(pods(1)[0], cluster_id="elsewhere"))
        assert result.status is Status.REJECTED
        assert "SLUICE_CLUSTER names this one" in result.error

    async def test_scope_alone_looks_no_owner_up(self, deployed: World) -> None:
        instance = deployed.instance(owners="as-named", scope_label="kubernaut.ai/managed")
        (result,) = await instance.post(on(pods(1)[0]))
        assert result.status is Status.REJECTED
        assert instance.calls == ["GET pods", "GET namespaces"]

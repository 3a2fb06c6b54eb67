"""Which object an alert is about, decided on both servers by the same calls."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from core.results import Status
from core.signals.signal import Candidate, Lookup, TargetResource, fingerprint_of
from tests.contract.gateways import NEW
from tests.contract.test_owners import Namespace, define_rollouts, made
from tests.contract.test_workloads import POD_SPEC
from tests.support.instances import signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.signals.signal import NormalizedSignal
    from tests.contract.client import Client
    from tests.contract.gateways import Instance

    Start = Callable[..., Instance]


@pytest.fixture
async def shop(api: Client) -> Namespace:
    return await made(api, f"shop-{uuid4().hex[:10]}")


def about(*candidates: Candidate) -> NormalizedSignal:
    first = candidates[0].target
    return dataclasses.replace(signal(), target=first, fingerprint=fingerprint_of(first), candidates=candidates)


def candidate(namespace: str, kind: str, name: str, **more: Any) -> Candidate:
    target = TargetResource(kind=kind, name=name, namespace=namespace, api_version="v1" if kind == "Pod" else "")
    return Candidate(target=target, label=kind.lower(), rule="r", **more)


async def test_exporters_alert_is_about_the_node_that_its_pod_runs_on(start: Start, shop: Namespace):
    node = f"node-{uuid4().hex[:10]}"
    assert (await shop.api.post("/api/v1/nodes", {"metadata": {"name": node}})).status == 201
    await shop.add("/api/v1", "pods", "node-exporter-8x2zk", POD_SPEC | {"nodeName": node})
    one = start(owners="resolve")
    alert = about(candidate(shop.name, "Pod", "node-exporter-8x2zk", lookup=Lookup.NODE_OF_POD))
    (created,) = await one.post(alert)
    assert created.fingerprint == fingerprint_of(TargetResource(kind="Node", name=node))
    assert one.calls == ["GET pods", "GET nodes", *NEW]
    one.calls.clear()
    await one.post(alert)
    assert one.calls == ["PATCH remediationrequests/status"]


async def test_kind_is_found_by_its_singular_name(start: Start, shop: Namespace):
    group = await define_rollouts(shop.api)
    rollout = {"apiVersion": f"{group}/v1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": {}}
    stored = await shop.api.post(f"/apis/{group}/v1/namespaces/{shop.name}/rollouts", rollout)
    assert stored.status == 201, stored.body
    one = start(owners="resolve")
    alert = about(candidate(shop.name, "rollout", "web", lookup=Lookup.SINGULAR, must_exist=True))
    (created,) = await one.post(alert)
    assert (created.status, created.fingerprint) == (Status.CREATED, shop.fingerprint("Rollout", "web"))
    one.calls.clear()
    await one.post(alert)
    assert one.calls == ["PATCH remediationrequests/status"]


async def test_service_is_found_among_the_core_kinds(start: Start, shop: Namespace):
    await shop.add("/api/v1", "services", "web", {"ports": [{"port": 80}]})
    alert = about(candidate(shop.name, "service", "web", lookup=Lookup.SINGULAR, must_exist=True))
    (created,) = await start(owners="resolve").post(alert)
    assert created.fingerprint == shop.fingerprint("Service", "web")


async def test_candidate_that_is_not_there_is_no_target(start: Start, shop: Namespace):
    one = start(owners="resolve")
    (ignored,) = await one.post(about(candidate(shop.name, "Pod", "cert-manager-rk2bv", must_exist=True)))
    assert (ignored.status, ignored.reason) == (Status.IGNORED, "no_target")
    assert one.calls == ["GET pods"]

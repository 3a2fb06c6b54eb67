"""What /readyz proves, on the real kube-apiserver: the definition it publishes, and the rules it knows."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from core.common.resilience import Deadline
from core.errors import NotReadyError
from core.local.embedded import load_crd
from tests.contract.client import Real
from tests.contract.conftest import CRDS, install_crd
from tests.contract.gateways import Instance
from tests.support.cluster import GATEWAY_RULES
from tests.support.waiting import HANGS_AFTER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.apiserver import KubeApiserver


@pytest.fixture
async def server(kube_apiserver: KubeApiserver) -> AsyncIterator[Real]:
    async with aiohttp.ClientSession() as session:
        real = Real(kube_apiserver, session)
        await install_crd(real.admin)
        yield real


async def obstacle(one: Instance) -> str:
    """What /readyz says is missing; empty where nothing is."""
    try:
        await one.gateway.check_ready(deadline=Deadline(clock=one.gateway.clock, seconds=HANGS_AFTER))
    except NotReadyError as error:
        return str(error)
    return ""


async def define(server: Real, group: str, status: dict[str, Any]) -> None:
    """Install a definition whose status is `status`; wait until the API server publishes it."""
    crd = load_crd(group=group)
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"] = status
    assert (await server.admin.post(CRDS, crd)).status == 201
    async with asyncio.timeout(HANGS_AFTER):
        while (await server.admin.get(f"/apis/{group}/v1alpha1/remediationrequests")).status != 200:
            pass  # each look is a call, which is pause enough
        while "RemediationRequest" not in str((await server.admin.get(f"/openapi/v3/apis/{group}/v1alpha1")).body):
            pass


async def test_definition_that_prunes_the_count_is_not_ready(server: Real, namespace: str):
    group = "pruned.example.com"
    phase = {"type": "object", "properties": {"overallPhase": {"type": "string"}}}
    await define(server, group, phase)
    one = Instance(server, namespace, group=group)
    said = await obstacle(one)
    await one.gateway.close()
    assert said.startswith("the definition of remediationrequests.pruned.example.com does not store status.dedup")
    assert said.endswith("apply knative/cluster/crd.yaml")


async def test_definition_that_keeps_what_it_does_not_know_is_ready(server: Real, namespace: str):
    group = "kept.example.com"
    await define(server, group, {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    one = Instance(server, namespace, group=group)
    said = await obstacle(one)
    await one.gateway.close()
    assert said == ""


@pytest.mark.parametrize("number", range(len(GATEWAY_RULES)))
async def test_account_without_a_rule_is_not_ready_and_hears_which(server: Real, namespace: str, number: int):
    rest = [rule for rule in GATEWAY_RULES if rule["resources"] == ["remediationrequests"]]
    rest += [rule for rule in GATEWAY_RULES if rule not in rest]
    gone = rest.pop(number)
    if number == 0:
        rest.append(gone | {"verbs": ["get", "list"]})  # without `list` the look itself is refused
    _, token = await server.new_user(namespace, *rest)
    admin = server.admin
    account: Any = SimpleNamespace(admin=SimpleNamespace(url=admin.url, tls=admin.tls, token=token))
    one = Instance(account, namespace)
    said = await obstacle(one)
    await one.gateway.close()
    assert f'resources: ["{gone["resources"][0]}"], verbs: ["{"create" if number == 0 else gone["verbs"][0]}"' in said


async def test_account_with_the_rules_of_the_manifests_is_ready(server: Real, namespace: str):
    _, token = await server.new_user(namespace, *GATEWAY_RULES)
    admin = server.admin
    account: Any = SimpleNamespace(admin=SimpleNamespace(url=admin.url, tls=admin.tls, token=token))
    one = Instance(account, namespace)
    said = await obstacle(one)
    await one.gateway.close()
    assert said == ""

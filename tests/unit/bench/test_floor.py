"""The bare client makes the protocol's calls, no more and no less."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import aiohttp
import pytest

from core.common.clock import MockClock
from core.local.embedded import EmbeddedApi, EmbeddedServer
from tests.bench.floor import BareClient, Template
from tests.contract.objects import remediation_request

TEMPLATE = Template.of(remediation_request("rr-1", meta={"namespace": "default", "labels": {}, "annotations": {}}))
RRS, LEASES = "remediationrequests", "leases"


@pytest.fixture
def calls() -> list[str]:
    """Method and last fixed part of the path of every call."""
    return []


@pytest.fixture
async def client(calls):
    async def note(session, context, params):
        kind = RRS if f"/{RRS}" in params.url.path else LEASES
        calls.append(f"{params.method} {kind}{'/status' if params.url.path.endswith('/status') else ''}")

    tracing = aiohttp.TraceConfig()
    tracing.on_request_start.append(note)
    api = EmbeddedApi(clock=MockClock(datetime.now(UTC)))
    async with EmbeddedServer(api) as url, aiohttp.ClientSession(url, trace_configs=[tracing]) as session:
        yield BareClient(session, "default", TEMPLATE)


async def test_new_signal_costs_four_calls(client, calls):
    await client.new("pod-1")
    assert calls == [f"GET {RRS}", f"POST {LEASES}", f"POST {RRS}", f"PUT {LEASES}"]


async def test_repeat_costs_one_call(client, calls):
    await client.new("pod-1")
    calls.clear()
    await client.repeat("pod-1")
    assert calls == [f"PATCH {RRS}/status"]


async def test_repeats_of_one_rr_never_conflict(client, calls):
    await asyncio.gather(client.new("pod-1"), *(client.repeat("pod-1") for _ in range(8)))
    assert calls.count(f"PATCH {RRS}/status") == 8


async def test_filling_costs_one_call_and_stands_apart(client, calls):
    await client.create("filler-1")
    assert calls == [f"POST {RRS}"]
    path = f"/apis/remediation.kubernaut.ai/v1alpha1/namespaces/default/{RRS}"
    async with client.session.get(f"{path}?labelSelector=app.kubernetes.io/managed-by!=filler") as answer:
        assert (await answer.json())["items"] == []

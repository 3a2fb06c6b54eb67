from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import pytest

from core.common.clock import MockClock
from core.local.embedded import Access, EmbeddedApi, EmbeddedServer, User, load_crd
from tests.contract.client import Client, Embedded, Real, Server
from tests.contract.gateways import Instance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Each test runs on both; where they differ, the real one is right."""
    if request.param == "real":
        async with aiohttp.ClientSession() as session:
            real = Real(request.getfixturevalue("kube_apiserver"), session)
            await install_crd(real.admin)
            yield real
        return
    clock = MockClock(datetime.now(UTC))
    access = Access(tokens={"admin-token": User("admin", ("system:masters",))})
    api = EmbeddedApi(clock=clock, access=access)
    async with EmbeddedServer(api) as url, aiohttp.ClientSession() as session:
        yield Embedded(api, clock, session, url)


async def install_crd(admin: Client) -> None:
    crd = load_crd()
    name = crd["metadata"]["name"]
    if (await admin.get(f"{CRDS}/{name}")).status == 404:
        assert (await admin.post(CRDS, crd)).status == 201
    path = f"/apis/{crd['spec']['group']}/v1alpha1/remediationrequests"
    # From the cache: a consistent LIST waits 100 ms here, in front of every test.
    while (await admin.get(path, resourceVersion="0", limit="1")).status != 200:
        pass


@pytest.fixture
def api(server: Server) -> Client:
    """A client that may do everything."""
    return server.admin


@pytest.fixture
async def namespace(api: Client) -> str:
    """A namespace for this test alone."""
    name = f"contract-{uuid4().hex[:10]}"
    made = await api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    assert made.status == 201, made.body
    return name


@pytest.fixture
def leases(namespace: str) -> str:
    """The path of Leases."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


@pytest.fixture
def rrs(namespace: str) -> str:
    """The path of RemediationRequests."""
    return f"/apis/remediation.kubernaut.ai/v1alpha1/namespaces/{namespace}/remediationrequests"


@pytest.fixture
async def made(api: Client, rrs: str) -> Any:
    """A RemediationRequest `rr-1`, as the server answered its creation."""
    from tests.contract.objects import remediation_request

    reply = await api.post(rrs, remediation_request("rr-1"))
    assert reply.status == 201, reply.body
    return reply.body


@pytest.fixture
async def start(server: Server, namespace: str) -> AsyncIterator[Callable[..., Instance]]:
    """Starts instances, and closes them at the end."""
    instances: list[Instance] = []

    def start(**settings: str) -> Instance:
        instances.append(Instance(server, namespace, **settings))
        return instances[-1]

    yield start
    for instance in instances:
        await instance.gateway.close()

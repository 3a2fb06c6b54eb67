from collections.abc import AsyncIterator

import pytest

from core.common.clock import MockClock
from core.local.embedded import EmbeddedApi
from tests.support.instances import NAMESPACE, SHOP, START, World


@pytest.fixture
def clock() -> MockClock:
    """The API server's clock."""
    return MockClock(START)


@pytest.fixture
def api(clock: MockClock) -> EmbeddedApi:
    """An API server with the CRD and the gateway's namespace."""
    return EmbeddedApi(clock=clock, namespaces=[NAMESPACE, SHOP])


@pytest.fixture
async def world(api: EmbeddedApi, clock: MockClock) -> AsyncIterator[World]:
    """That API server, and no instance yet."""
    world = World(api.app, clock)
    yield world
    await world.close()

from collections.abc import AsyncIterator

import pytest

from core.clock import MockClock
from core.local.embedded import EmbeddedApi
from tests.support.instances import NAMESPACE, START, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """An API server with the CRD and the gateway's namespace, and no instance yet."""
    clock = MockClock(START)
    world = World(EmbeddedApi(clock=clock, namespaces=[NAMESPACE]).app, clock)
    yield world
    await world.close()

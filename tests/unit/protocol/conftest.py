from collections.abc import AsyncIterator

import pytest

from core.clock import MockClock
from core.kube.resources import Resource
from core.local.embedded import EmbeddedApi
from tests.support.instances import START, World

NAMESPACES = Resource("", "v1", "namespaces", "Namespace")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """An API server with the CRD and the gateway's namespace, and no instance yet."""
    clock = MockClock(START)
    world = World(EmbeddedApi(clock=clock).app, clock)
    yield world
    await world.close()

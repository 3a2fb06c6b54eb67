from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.common.clock import MockClock
from core.common.resilience import Deadline
from core.local.embedded import EmbeddedApi
from tests.support.instances import NAMESPACE, SHOP, START, Instance, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """An API server with the CRD and the gateway's namespace; its clock stands still."""
    clock = MockClock(START)
    world = World(EmbeddedApi(clock=clock, namespaces=[NAMESPACE, SHOP]).app, clock)
    yield world
    await world.close()


@pytest.fixture
def instance(world: World) -> Instance:
    return world.instance()


@pytest.fixture
def deadline(world: World) -> Deadline:
    """Of a request that begins now."""
    return Deadline(clock=world.clock, seconds=8.0)

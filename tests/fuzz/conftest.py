from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.triggers.dead_letter import DEAD_LETTERS
from tests.fuzz.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def webhooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The function `alertmanager`, loaded once for a module."""
    with serve("alertmanager", tmp_path_factory.mktemp("function")) as served:
        yield served


@pytest.fixture(scope="module")
def kubernetes_events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The function `kubernetes_event`."""
    with serve("kubernetes_event", tmp_path_factory.mktemp("function")) as served:
        yield served


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The function `pubsub`."""
    with serve("pubsub", tmp_path_factory.mktemp("function")) as served:
        yield served


@pytest.fixture(scope="module")
def undelivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The function `dead_letters`."""
    with serve("dead_letters", tmp_path_factory.mktemp("function"), stores=DEAD_LETTERS) as served:
        yield served

"""A pytest plugin: the machine with Knative and Sluice on it, one for the session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.cluster.knative import install_eventing, install_serving
from tests.cluster.machine import Machine, why_impossible
from tests.cluster.product import ALERTMANAGER, QUICK_TO_REST, Pods, deploy, pods_of, wait_for_events
from tests.gobuild import BuildError
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

RESTS_WITHIN = 600.0  # seconds; 60 on two idle cores: window, grace period, queue-proxy's drain


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests last: the machine's twenty programs then slow down no others."""
    items.sort(key=lambda item: "machine" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """Knative Serving, Eventing and Sluice, ready; skipped where the kernel forbids it, but failed in CI."""
    if reason := why_impossible():
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    try:
        running = Machine()
    except BuildError as error:
        pytest.fail(f"This test needs Knative. {error}", pytrace=False)
    with running:
        install(running)
        wait_for_events(running)
        yield running


def install(machine: Machine) -> None:
    """Knative, whose senders have tokens, and Sluice as shipped but quick to rest."""
    install_serving(machine)
    install_eventing(machine, authentication=True)
    deploy(machine, QUICK_TO_REST)


@pytest.fixture
def machine_at_zero(machine: Machine) -> Machine:
    """The machine while no pod of the alertmanager function is there."""
    nothing = Pods(all=0, alive=0, ready=0)
    wait_for(lambda: pods_of(machine, ALERTMANAGER) == nothing, what="the function to rest", within=RESTS_WITHIN)
    return machine

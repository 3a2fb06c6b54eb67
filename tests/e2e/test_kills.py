"""Instances are killed, or stopped for longer than their Lease, at every call they make to the API server."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.boundaries import BOUNDARIES
from tests.e2e.processes import NO_ANSWER
from tests.e2e.wreckage import Case, Wreckage, kill_cases, stop_cases

if TYPE_CHECKING:
    from tests.apiserver import KubeApiserver

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who serves for whom is in Linux's /proc")

KILLED, STOPPED = [str(case) for case in kill_cases()], [str(case) for case in stop_cases()]


@dataclass(frozen=True)
class Aftermath:
    killed: dict[str, Case]
    stopped: dict[str, Case]
    leases: list[object]
    calls: set[str]


@pytest.fixture(scope="module")
def aftermath(kube_apiserver: KubeApiserver, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    """All cases, run side by side: each would wait for half a minute by itself."""
    killed, stopped = kill_cases(), stop_cases()
    wreckage = Wreckage(kube_apiserver, tmp_path_factory.mktemp("wreckage"))
    leases = asyncio.run(wreckage.run(killed, stopped))
    return Aftermath(
        {str(each): each for each in killed}, {str(each): each for each in stopped}, leases, wreckage.calls
    )


@pytest.mark.parametrize("name", KILLED)
def test_killed_instance_leaves_nothing_that_the_next_cannot_finish(aftermath: Aftermath, name: str) -> None:
    case = aftermath.killed[name]

    assert case.reached, "the instance never made this call"
    assert case.late_answer == NO_ANSWER
    _check(case)


@pytest.mark.parametrize("name", STOPPED)
def test_instance_stopped_for_longer_than_its_lease_does_no_harm(aftermath: Aftermath, name: str) -> None:
    case = aftermath.stopped[name]

    assert case.reached, "the instance never made this call"
    assert case.late_answer in (201, 202, 503)
    _check(case)


def test_no_lease_is_still_held(aftermath: Aftermath) -> None:
    assert aftermath.leases == []


def test_every_call_is_a_boundary(aftermath: Aftermath) -> None:
    known = {boundary.call for boundary in BOUNDARIES}

    # Done Leases are swept after a minute, which the longest of the cases may take.
    assert aftermath.calls - {"DELETE leases"} == known


def _check(case: Case) -> None:
    assert case.active == 1, "active RRs of one fingerprint"
    assert case.acknowledged <= case.counted <= case.sent, case
    assert {status for status in case.answers if status not in (201, 202)} <= {503}
    assert case.next_generation == 1, "active RRs after the first had ended"

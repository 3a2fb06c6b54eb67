"""The memory only saves calls: it is bounded, and never keeps what has ended."""

import pytest

from core.common.clock import RealClock
from core.protocol.recorder import RemediationRequestMemory
from core.protocol.remediation_request import RemediationRequest


def rr(fingerprint: str, *, phase: str = "", version: str = "1") -> RemediationRequest:
    return RemediationRequest(
        name=f"rr-{fingerprint}",
        namespace="sluice-system",
        uid=f"uid-{fingerprint}",
        resource_version=version,
        creation_timestamp="2026-01-02T03:04:05Z",
        fingerprint=fingerprint,
        phase=phase,
    )


@pytest.fixture
def memory():
    return RemediationRequestMemory(clock=RealClock(), capacity=2)


def test_nothing_is_known_at_first(memory):
    assert memory.get("a") is None


def test_active_rr_is_remembered(memory):
    memory.remember(rr("a", phase="Blocked"))
    assert memory.get("a") == rr("a", phase="Blocked")
    assert memory.get("b") is None


def test_newer_view_replaces_the_older_one(memory):
    memory.remember(rr("a"))
    memory.remember(rr("a", version="2"))
    assert memory.get("a").resource_version == "2"


def test_ended_rr_is_forgotten_instead_of_kept(memory):
    memory.remember(rr("a"))
    memory.remember(rr("a")._replace(phase="Completed"))
    assert memory.get("a") is None


def test_forgetting_twice_is_fine(memory):
    memory.remember(rr("a"))
    memory.forget("a")
    memory.forget("a")
    assert memory.get("a") is None


def test_least_recently_used_rr_makes_room(memory):
    memory.remember(rr("a"))
    memory.remember(rr("b"))
    memory.get("a")
    memory.remember(rr("c"))
    assert [memory.get(key) is not None for key in "abc"] == [True, False, True]


def test_remembering_again_counts_as_use(memory):
    memory.remember(rr("a"))
    memory.remember(rr("b"))
    memory.remember(rr("a", version="2"))
    memory.remember(rr("c"))
    assert [memory.get(key) is not None for key in "abc"] == [True, False, True]


def test_memory_of_none_keeps_nothing():
    memory = RemediationRequestMemory(clock=RealClock(), capacity=0)
    memory.remember(rr("a"))
    assert memory.get("a") is None

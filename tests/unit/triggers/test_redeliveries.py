"""What was stored lately is known, within bounds of number and age."""

from datetime import UTC, datetime, timedelta

import pytest

from core.common.clock import MockClock
from core.triggers.redeliveries import REMEMBERED_DELIVERIES, REMEMBERED_SECONDS, Redeliveries


@pytest.fixture
def clock():
    return MockClock(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.fixture
def redeliveries(clock):
    return Redeliveries(clock=clock, capacity=2)


def test_only_what_was_remembered_is_known(redeliveries):
    redeliveries.remember(b"a")
    assert redeliveries.known(b"a")
    assert not redeliveries.known(b"b")


def test_nothing_is_never_known(redeliveries):
    redeliveries.remember(b"")
    assert not redeliveries.known(b"")


def test_oldest_goes_first(redeliveries):
    for key in (b"a", b"b", b"c"):
        redeliveries.remember(key)
    assert [redeliveries.known(key) for key in (b"a", b"b", b"c")] == [False, True, True]


def test_remembering_again_makes_young(redeliveries):
    for key in (b"a", b"b", b"a", b"c"):
        redeliveries.remember(key)
    assert [redeliveries.known(key) for key in (b"a", b"b", b"c")] == [True, False, True]


def test_old_one_is_not_known(redeliveries, clock):
    redeliveries.remember(b"a")
    clock.advance(timedelta(seconds=REMEMBERED_SECONDS))
    assert redeliveries.known(b"a")
    clock.advance(timedelta(microseconds=1))
    assert not redeliveries.known(b"a")


def test_what_is_owed_is_told_until_it_is_paid(redeliveries):
    redeliveries.remember(b"a", owed=["no target"])
    assert redeliveries.known(b"a")
    assert redeliveries.owed(b"a") == ["no target"]
    redeliveries.remember(b"a")
    assert not redeliveries.owed(b"a")


def test_memory_is_bounded_by_default(clock):
    redeliveries = Redeliveries(clock=clock)
    for number in range(REMEMBERED_DELIVERIES + 1):
        redeliveries.remember(number.to_bytes(4))
    assert not redeliveries.known((0).to_bytes(4))
    assert redeliveries.known((1).to_bytes(4))
    assert redeliveries.known(REMEMBERED_DELIVERIES.to_bytes(4))

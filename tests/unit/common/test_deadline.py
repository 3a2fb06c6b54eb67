"""The deadline: a moment on a clock after which nobody waits."""

from datetime import UTC, datetime, timedelta

import pytest

from core.common.clock import MockClock
from core.common.resilience import Deadline

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def clock():
    return MockClock(START)


def test_deadline_counts_down_to_zero_and_no_further(clock):
    deadline = Deadline(clock=clock, seconds=8.0)
    assert (deadline.remaining(), deadline.passed) == (8.0, False)
    clock.advance(timedelta(seconds=5))
    assert (deadline.remaining(), deadline.passed) == (3.0, False)
    clock.advance(timedelta(seconds=3))
    assert (deadline.remaining(), deadline.passed) == (0.0, True)
    clock.advance(timedelta(seconds=3))
    assert (deadline.remaining(), deadline.passed) == (0.0, True)


def test_deadline_does_not_move_with_the_wall_clock(clock):
    deadline = Deadline(clock=clock, seconds=8.0)
    clock.set(START + timedelta(days=1))
    assert (deadline.remaining(), deadline.elapsed) == (8.0, 0.0)


def test_deadline_knows_when_it_was_set(clock):
    deadline = Deadline(clock=clock, seconds=8.0)
    clock.advance(timedelta(seconds=9))
    assert deadline.elapsed == 9.0

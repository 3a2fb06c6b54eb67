"""How long each policy waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.common.resilience import (
    CONFLICT_BACKOFF,
    CREATE_RETRY_BACKOFF,
    GATEWAY_RETRY_BACKOFF,
    LOCK_WAIT_BACKOFF,
    Backoff,
)

MIDDLE = 0.5


def delays(backoff: Backoff, random: float = MIDDLE) -> list[float]:
    return [backoff.delay(tries, random=lambda: random) for tries in range(1, backoff.steps)]


def test_status_updates_wait_as_the_seed_does():
    assert GATEWAY_RETRY_BACKOFF.steps == 4
    assert delays(GATEWAY_RETRY_BACKOFF) == pytest.approx([0.010, 0.050, 0.250])
    assert GATEWAY_RETRY_BACKOFF.jitter == 0.1


def test_writers_that_met_each_other_wait_anything_from_nothing_to_a_few_milliseconds():
    assert delays(CONFLICT_BACKOFF, 0.0) == [0.0] * 23
    assert delays(CONFLICT_BACKOFF)[:3] == pytest.approx([0.005, 0.00525, 0.0055125])
    assert max(delays(CONFLICT_BACKOFF, 1.0)) == pytest.approx(0.0293, abs=0.0001)
    assert sum(delays(CONFLICT_BACKOFF, 1.0)) < 0.5  # a small part of the 8 s that a request has


def test_creation_waits_twice_between_three_tries():
    assert delays(CREATE_RETRY_BACKOFF) == pytest.approx([0.1, 0.2])
    assert CREATE_RETRY_BACKOFF.cap == 5.0


def test_lock_is_tried_ten_times_and_waits_never_exceed_a_second():
    assert delays(LOCK_WAIT_BACKOFF) == pytest.approx([0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1, 1])


def test_jitter_spreads_a_wait_to_both_sides():
    assert delays(CREATE_RETRY_BACKOFF, 0.0) == pytest.approx([0.09, 0.18])
    assert delays(CREATE_RETRY_BACKOFF, 1.0) == pytest.approx([0.11, 0.22])


@given(tries=st.integers(1, 50), random=st.floats(0, 1, exclude_max=True))
def test_wait_is_always_positive_and_within_the_jittered_cap(tries, random):
    delay = LOCK_WAIT_BACKOFF.delay(tries, random=lambda: random)
    assert 0 < delay <= LOCK_WAIT_BACKOFF.cap * (1 + LOCK_WAIT_BACKOFF.jitter)


@pytest.mark.parametrize("least", [{"steps": 1}, {"duration": 0.001}, {"factor": 1}, {"jitter": 0}, {"jitter": 1}])
def test_policy_at_the_edge_of_what_works_is_taken(least):
    policy = Backoff(**({"steps": 3, "duration": 0.1, "factor": 2.0, "jitter": 0.1} | least))
    assert policy.delay(1, random=lambda: MIDDLE) == policy.duration


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"duration": 0}, {"duration": -1}, {"factor": 0.5}, {"jitter": -0.1}, {"jitter": 1.1}]
)
def test_policy_that_cannot_work_is_refused_when_it_is_made(wrong):
    right = {"steps": 3, "duration": 0.1, "factor": 2.0, "jitter": 0.1}
    with pytest.raises(ValueError, match=r"backoff cannot work: .*; wanted steps >= 1"):
        Backoff(**(right | wrong))

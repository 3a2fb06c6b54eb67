"""How long a policy waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.common.resilience import Backoff

MIDDLE = 0.5
GROWING = Backoff(steps=3, duration=0.100, factor=2.0, jitter=0.1)
CAPPED = Backoff(steps=10, duration=0.100, factor=2.0, jitter=0.1, cap=1.0)


def delays(backoff: Backoff, random: float = MIDDLE) -> list[float]:
    return [backoff.delay(tries, random=lambda: random) for tries in range(1, backoff.steps)]


def test_waits_grow_up_to_the_cap():
    assert delays(CAPPED) == pytest.approx([0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1, 1])


def test_jitter_spreads_a_wait_to_both_sides():
    assert delays(GROWING, 0.0) == pytest.approx([0.09, 0.18])
    assert delays(GROWING, 1.0) == pytest.approx([0.11, 0.22])


@given(tries=st.integers(1, 50), random=st.floats(0, 1, exclude_max=True))
def test_wait_is_always_positive_and_within_the_jittered_cap(tries, random):
    delay = CAPPED.delay(tries, random=lambda: random)
    assert 0 < delay <= CAPPED.cap * (1 + CAPPED.jitter)


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

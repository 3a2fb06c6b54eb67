"""How long each policy of the protocol waits."""

import pytest

from core.common.resilience import Backoff
from core.protocol.creator import CREATE_RETRY_BACKOFF
from core.protocol.placement import LOCK_WAIT_BACKOFF
from core.protocol.status import CONFLICT_BACKOFF, GATEWAY_RETRY_BACKOFF

MIDDLE = 0.5


def delays(backoff: Backoff, random: float = MIDDLE) -> list[float]:
    return [backoff.delay(tries, random=lambda: random) for tries in range(1, backoff.steps)]


def test_status_updates_wait_as_kubernauts_do():
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

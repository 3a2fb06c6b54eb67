"""Conflicts and failures of one update are counted apart."""

import pytest

from core.kube.errors import ApiUnreachableError, ConflictError, NotFoundError, ThrottledError
from core.protocol.status import CONFLICT_BACKOFF, GATEWAY_RETRY_BACKOFF, Tries

CONFLICT = ConflictError("changed", status=409, reason="Conflict", detail="")
GONE = NotFoundError("gone", status=404, reason="NotFound", detail="")
THROTTLED = ThrottledError("slow", status=429, reason="TooManyRequests", detail="", retry_after=2.5)
UNREACHABLE = ApiUnreachableError("nobody there")


@pytest.fixture
def tries() -> Tries:
    return Tries(random=lambda: 0.5)


def test_after_the_first_conflict_one_fresh_read_comes_at_once(tries: Tries):
    assert tries.wait_after(CONFLICT) == 0
    assert tries.wait_after(CONFLICT) == pytest.approx(0.00525)
    assert tries.wait_after(GONE) == pytest.approx(0.0055125)
    assert tries.conflicts == 3


def test_failure_is_given_time_from_the_first_on(tries: Tries):
    assert [tries.wait_after(UNREACHABLE) for _ in range(3)] == pytest.approx([0.010, 0.050, 0.250])
    assert (tries.failures, tries.conflicts) == (3, 0)


def test_server_that_asks_for_more_time_gets_it(tries: Tries):
    assert tries.wait_after(THROTTLED) == 2.5


def test_conflicts_use_up_no_try_of_the_failures_and_the_other_way_round(tries: Tries):
    for _ in range(CONFLICT_BACKOFF.steps - 1):
        tries.wait_after(CONFLICT)
    for _ in range(GATEWAY_RETRY_BACKOFF.steps - 1):
        tries.wait_after(UNREACHABLE)
    with pytest.raises(ConflictError, match="changed"):
        tries.wait_after(CONFLICT)
    with pytest.raises(ApiUnreachableError, match="nobody there"):
        tries.wait_after(UNREACHABLE)

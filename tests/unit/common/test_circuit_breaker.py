"""Every transition of the breaker, and what counts as a failure of the API server."""

import asyncio
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest

from core.common.clock import MockClock
from core.common.resilience import BreakerState, CircuitBreaker
from core.errors import CircuitOpenError


class FailedError(Exception):
    """The API server's failure."""


class AnswerError(Exception):
    """An answer like any other, such as AlreadyExists."""


class Guarded:
    """A breaker, its clock, and the states it went through."""

    def __init__(self) -> None:
        self.clock = MockClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.changes: list[BreakerState] = []
        self.breaker = CircuitBreaker(clock=self.clock, on_change=self.changes.append)

    def is_closed(self) -> bool:
        return self.breaker.state is BreakerState.CLOSED

    def is_half_open(self) -> bool:
        return self.breaker.state is BreakerState.HALF_OPEN

    def is_open(self) -> bool:
        return self.breaker.state is BreakerState.OPEN

    def guard(self) -> AbstractContextManager[None]:
        return self.breaker.guard(failed=lambda error: isinstance(error, FailedError))

    def succeed(self, times: int = 1) -> None:
        for _ in range(times):
            with self.guard():
                pass

    def fail(self, times: int = 1, error: type[Exception] = FailedError) -> None:
        for _ in range(times):
            with pytest.raises(error), self.guard():
                raise error

    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def opened(self) -> "Guarded":
        self.fail(10)
        assert self.is_open()
        return self

    def half_open(self) -> "Guarded":
        self.opened().wait(30)
        return self

    def refusal(self) -> CircuitOpenError:
        with pytest.raises(CircuitOpenError) as caught, self.guard():
            pytest.fail("the breaker let a call through")
        return caught.value


@pytest.fixture
def guarded():
    return Guarded()


def test_states_are_the_values_of_the_metric():
    assert [int(state) for state in (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)] == [0, 1, 2]


def test_nine_failures_leave_it_closed(guarded):
    guarded.fail(9)
    assert guarded.is_closed()


def test_tenth_failure_opens_it(guarded):
    guarded.fail(10)
    assert guarded.is_open()
    assert guarded.changes == [BreakerState.OPEN]


def test_half_of_ten_calls_failing_opens_it(guarded):
    guarded.succeed(5)
    guarded.fail(4)
    assert guarded.is_closed()
    guarded.fail()
    assert guarded.is_open()


def test_four_of_ten_failing_leave_it_closed(guarded):
    guarded.fail(4)
    guarded.succeed(6)
    assert guarded.is_closed()


def test_success_that_completes_the_ten_opens_it_too_where_half_failed(guarded):
    guarded.fail(5)
    guarded.succeed(4)
    assert guarded.is_closed()
    guarded.succeed()
    assert guarded.is_open()


def test_less_than_half_failing_leaves_it_closed_however_many_calls(guarded):
    for _ in range(100):
        guarded.succeed(2)
        guarded.fail()
    assert guarded.is_closed()


def test_calls_older_than_the_window_no_longer_count(guarded):
    guarded.fail(9)
    guarded.wait(10.1)
    guarded.fail(9)
    assert guarded.is_closed()
    guarded.fail()
    assert guarded.is_open()


def test_window_slides_call_by_call(guarded):
    for _ in range(100):
        guarded.fail()
        guarded.wait(1.2)
    assert guarded.is_closed()  # nine calls fit into ten seconds


def test_ten_failures_within_ten_seconds_open_it_also_when_they_come_slowly(guarded):
    for _ in range(9):
        guarded.fail()
        guarded.wait(1.1)
    assert guarded.is_closed()
    guarded.fail()
    assert guarded.is_open()


def test_call_of_exactly_ten_seconds_ago_still_counts(guarded):
    guarded.fail()
    guarded.wait(10)
    guarded.fail(9)
    assert guarded.is_open()


def test_old_successes_do_not_hide_new_failures(guarded):
    guarded.succeed(1000)
    guarded.wait(10.1)
    guarded.fail(10)
    assert guarded.is_open()


def test_answers_that_are_no_failures_never_open_it(guarded):
    guarded.fail(1000, error=AnswerError)
    assert guarded.is_closed()


def test_open_breaker_refuses_at_once_and_says_how_long(guarded):
    guarded.opened()
    assert guarded.refusal().retry_after == 30.0
    guarded.wait(12.5)
    refusal = guarded.refusal()
    assert refusal.retry_after == 17.5
    assert "circuit breaker is open" in str(refusal)


def test_open_breaker_never_asks_for_less_than_a_second(guarded):
    guarded.opened().wait(29.9)
    assert guarded.refusal().retry_after == 1.0


def test_refusals_do_not_keep_it_open_longer(guarded):
    guarded.opened()
    for _ in range(29):
        guarded.wait(1)
        guarded.refusal()
    guarded.wait(1)
    guarded.succeed()
    assert guarded.is_half_open()


def test_it_turns_half_open_with_the_first_call_after_thirty_seconds(guarded):
    guarded.half_open()
    assert guarded.is_open()
    guarded.succeed()
    assert guarded.changes == [BreakerState.OPEN, BreakerState.HALF_OPEN]


def test_three_probes_that_pass_close_it(guarded):
    guarded.half_open().succeed(2)
    assert guarded.is_half_open()
    guarded.succeed()
    assert guarded.is_closed()
    assert guarded.changes == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]


def test_answers_that_are_no_failures_pass_as_probes(guarded):
    guarded.half_open().fail(3, error=AnswerError)
    assert guarded.is_closed()


def test_closed_again_it_counts_from_nothing(guarded):
    guarded.half_open().succeed(3)
    guarded.succeed(6)
    guarded.fail(4)
    assert guarded.is_closed()


def test_closed_again_it_has_forgotten_the_failures_of_before(guarded):
    guarded.half_open().succeed(3)
    guarded.fail(9)
    assert guarded.is_closed()
    guarded.fail()
    assert guarded.is_open()


@pytest.mark.parametrize("passed", [0, 1, 2])
def test_one_failed_probe_opens_it_for_another_thirty_seconds(guarded, passed):
    guarded.half_open().succeed(passed)
    guarded.fail()
    assert guarded.is_open()
    assert guarded.refusal().retry_after == 30.0
    guarded.wait(30)
    guarded.succeed(3)
    assert guarded.is_closed()


def test_at_most_three_probes_are_on_their_way_at_once(guarded):
    guarded.half_open()
    with guarded.guard(), guarded.guard(), guarded.guard():
        assert guarded.refusal().retry_after == 1.0
    assert guarded.is_closed()


def test_probe_that_passes_after_another_failed_does_not_close_it(guarded):
    guarded.half_open()
    with guarded.guard():
        guarded.fail()
        assert guarded.is_open()
    assert guarded.is_open()


def test_call_from_before_it_opened_changes_nothing_when_it_ends(guarded):
    with guarded.guard():
        guarded.opened()
    assert guarded.is_open()
    guarded.wait(30)
    guarded.succeed(3)
    assert guarded.is_closed()


def test_late_failure_of_a_call_from_before_it_opened_fails_no_probe(guarded):
    call = guarded.guard()
    call.__enter__()
    guarded.half_open().succeed()
    assert guarded.is_half_open()
    assert not call.__exit__(FailedError, FailedError(), None)
    assert guarded.is_half_open()


def test_cancelled_probe_frees_its_place(guarded):
    guarded.half_open()
    for _ in range(5):
        with pytest.raises(asyncio.CancelledError), guarded.guard():
            raise asyncio.CancelledError
    assert guarded.is_half_open()
    guarded.succeed(3)
    assert guarded.is_closed()


def test_cancelled_probe_frees_no_more_than_its_place(guarded):
    guarded.half_open()
    with pytest.raises(asyncio.CancelledError), guarded.guard():
        raise asyncio.CancelledError
    with guarded.guard(), guarded.guard(), guarded.guard():
        guarded.refusal()


def test_cancelled_call_counts_neither_way(guarded):
    guarded.fail(9)
    with pytest.raises(asyncio.CancelledError), guarded.guard():
        raise asyncio.CancelledError
    assert guarded.is_closed()
    guarded.fail()
    assert guarded.is_open()


def test_probe_whose_end_says_nothing_is_no_probe_and_frees_its_place(guarded):
    guarded.half_open()
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), guarded.breaker.guard(failed=lambda _: None):
            raise ZeroDivisionError
    assert guarded.is_half_open()
    guarded.succeed(3)
    assert guarded.is_closed()


def test_nobody_needs_to_listen_to_its_changes():
    breaker = CircuitBreaker(clock=MockClock(datetime(2026, 1, 1, tzinfo=UTC)), min_calls=1)
    with pytest.raises(FailedError), breaker.guard(failed=lambda _error: True):
        raise FailedError
    assert breaker.state is BreakerState.OPEN

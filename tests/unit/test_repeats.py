"""What goes wrong again and again fills no log, and is not lost either: it is counted."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from core.common.clock import MockClock
from core.logs import LINES_A_SECOND, MOST_DISTINCT, ONCE_A_SECOND, Repeats


class Log:
    """A logger behind the filter, and what it wrote."""

    def __init__(self) -> None:
        self.clock = MockClock(datetime(2026, 1, 2, tzinfo=UTC))
        self.lines: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(record.getMessage())  # type: ignore[method-assign]
        handler.addFilter(Repeats(clock=self.clock, write=handler.handle))
        self.logger = logging.Logger("repeats")  # noqa: LOG001 - one that no other test sees
        self.logger.addHandler(handler)

    def pass_a_second(self) -> None:
        self.clock.advance(timedelta(seconds=1))


@pytest.fixture
def log():
    return Log()


def test_failure_of_an_overload_is_one_line_a_second_and_a_count(log):
    for number in range(100):
        log.logger.error("no answer to GET rr-%012x in 3.%d s", number << 30, number, extra=ONCE_A_SECOND)
    assert log.lines == ["no answer to GET rr-000000000000 in 3.0 s"]
    log.pass_a_second()
    log.logger.error("no answer to GET rr-0123456789ab in 3.1 s", extra=ONCE_A_SECOND)
    assert log.lines[1:] == [
        "99 more within a second: no answer to GET rr-# in #.# s",
        "no answer to GET rr-0123456789ab in 3.1 s",
    ]


def test_other_warnings_are_a_few_a_second(log):
    for index in range(100):
        log.logger.warning("alerts[%d].labels is 7", index)
    assert len(log.lines) == LINES_A_SECOND


def test_failures_of_two_kinds_are_both_written(log):
    log.logger.error("etcd is down", extra=ONCE_A_SECOND)
    log.logger.error("the CRD is missing", extra=ONCE_A_SECOND)
    assert log.lines == ["etcd is down", "the CRD is missing"]


def test_what_came_but_once_has_no_count(log):
    log.logger.error("etcd is down", extra=ONCE_A_SECOND)
    log.pass_a_second()
    log.logger.info("hello")
    assert log.lines == ["etcd is down", "hello"]


def test_what_went_well_is_never_left_out_and_brings_the_count(log):
    for _ in range(3):
        log.logger.error("etcd is down", extra=ONCE_A_SECOND)
    log.pass_a_second()
    for _ in range(50):
        log.logger.info("counted")
    assert log.lines == ["etcd is down", "2 more within a second: etcd is down", *["counted"] * 50]


def test_sentences_without_end_that_a_sender_makes_up_fill_neither_log_nor_memory(log):
    for number in range(10_000):
        log.logger.warning("label %s is wrong", "abcdefgh"[number % 8] * (number % 97) + "xyz"[number % 3] * number)
    assert len(log.lines) <= (MOST_DISTINCT + 1) * LINES_A_SECOND
    log.pass_a_second()
    log.logger.info("hello")
    assert "more within a second: warnings and errors of other kinds" in " ".join(log.lines[-60:])

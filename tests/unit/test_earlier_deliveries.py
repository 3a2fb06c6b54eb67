"""What was stored of a body that was answered 503 is not stored again when the same body comes back."""

from datetime import UTC, datetime, timedelta

import pytest

from core.common.clock import MockClock
from core.pipeline import REMEMBERED_DELIVERY_SECONDS, EarlierDeliveries
from core.results import SignalResult, Status


def stored(*names: str) -> list[SignalResult]:
    return [SignalResult(status=Status.CREATED, rr_name=name) for name in names]


@pytest.fixture
def clock():
    return MockClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def kept(clock):
    return EarlierDeliveries(clock=clock, capacity=4)


def test_unknown_body_is_not_remembered(kept):
    assert kept.take(b"body") == {}


def test_what_was_stored_is_given_once(kept):
    kept.keep(b"body", {"f": stored("a", "b")})
    assert kept.take(b"body") == {"f": stored("a", "b")}
    assert kept.take(b"body") == {}


def test_what_was_stored_belongs_to_its_body(kept):
    kept.keep(b"body", {"f": stored("a")})
    assert kept.take(b"other") == {}
    assert kept.take(b"body") == {"f": stored("a")}


def test_delivery_that_nothing_tells_from_others_is_not_remembered(kept):
    kept.keep(b"", {"f": stored("a")})
    assert kept.take(b"") == {}


def test_memory_outlives_the_longest_pause_of_alertmanager(kept, clock):
    assert REMEMBERED_DELIVERY_SECONDS > 60
    kept.keep(b"body", {"f": stored("a")})
    clock.advance(timedelta(seconds=REMEMBERED_DELIVERY_SECONDS))
    assert kept.take(b"body") == {"f": stored("a")}


def test_old_delivery_is_not_given(kept, clock):
    kept.keep(b"body", {"f": stored("a")})
    clock.advance(timedelta(seconds=REMEMBERED_DELIVERY_SECONDS + 0.1))
    assert kept.take(b"body") == {}


def test_old_deliveries_that_nobody_took_are_dropped_with_the_next_one(kept, clock):
    kept.keep(b"1", {"f": stored("a")})
    kept.keep(b"2", {"f": stored("b")})
    clock.advance(timedelta(seconds=REMEMBERED_DELIVERY_SECONDS + 0.1))
    kept.keep(b"3", {"f": stored("c")})
    assert list(kept._bodies) == [b"3"]


def test_keeping_again_replaces_and_starts_the_time_anew(kept, clock):
    kept.keep(b"body", {"f": stored("a")})
    clock.advance(timedelta(seconds=REMEMBERED_DELIVERY_SECONDS))
    kept.keep(b"body", {"f": stored("a"), "g": stored("b")})
    clock.advance(timedelta(seconds=REMEMBERED_DELIVERY_SECONDS))
    assert kept.take(b"body") == {"f": stored("a"), "g": stored("b")}


def test_oldest_bodies_go_first_when_the_alerts_become_too_many(kept):
    kept.keep(b"1", {"f": stored("a", "b")})
    kept.keep(b"2", {"f": stored("c"), "g": stored("d")})
    kept.keep(b"3", {"f": stored("e")})
    assert kept.take(b"1") == {}
    assert kept.take(b"2") == {"f": stored("c"), "g": stored("d")}
    assert kept.take(b"3") == {"f": stored("e")}


def test_taken_and_replaced_deliveries_free_their_room(kept):
    for _ in range(10):
        kept.keep(b"1", {"f": stored("a", "b")})
        kept.keep(b"2", {"f": stored("c", "d")})
        kept.take(b"2")
    kept.keep(b"2", {"f": stored("c", "d")})
    assert kept.take(b"1") == {"f": stored("a", "b")}
    assert kept.take(b"2") == {"f": stored("c", "d")}


def test_body_larger_than_all_room_is_not_kept_and_blocks_nothing(kept):
    kept.keep(b"huge", {"f": stored(*"abcde")})
    assert kept.take(b"huge") == {}
    kept.keep(b"small", {"f": stored(*"abcd")})
    assert kept.take(b"small") == {"f": stored(*"abcd")}


def test_what_is_kept_later_does_not_change_with_the_callers_dict(kept):
    results = {"f": stored("a")}
    kept.keep(b"body", results)
    results.clear()
    assert kept.take(b"body") == {"f": stored("a")}

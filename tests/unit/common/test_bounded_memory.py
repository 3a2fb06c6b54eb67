"""The one class for all that an instance remembers: bounded by entries or weight, and by age."""

from datetime import UTC, datetime, timedelta

import pytest

from core.common.clock import MockClock
from core.common.memory import BoundedMemory


@pytest.fixture
def clock():
    return MockClock(datetime(2026, 1, 2, tzinfo=UTC))


def test_what_was_put_in_comes_out_again_and_nothing_else(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=2)
    assert memory.get("a") is None
    memory.put("a", 1)
    assert (memory.get("a"), memory.get("b"), len(memory)) == (1, None, 1)


def test_value_put_in_again_is_the_newer_one_and_counts_once(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=2)
    for value in (1, 2, 3):
        memory.put("a", value)
    memory.put("b", 4)
    assert (memory.get("a"), list(memory)) == (3, ["a", "b"])


def test_longest_ago_put_in_goes_first(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=2)
    memory.put("a", 1)
    memory.put("b", 2)
    memory.get("a")
    memory.put("c", 3)
    assert list(memory) == ["b", "c"]


def test_longest_ago_used_goes_first_where_use_counts(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=2, by_use=True)
    memory.put("a", 1)
    memory.put("b", 2)
    memory.get("a")
    memory.put("c", 3)
    assert list(memory) == ["a", "c"]


def test_put_in_again_becomes_the_newest(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=2)
    for key in ("a", "b", "a", "c"):
        memory.put(key, 0)
    assert list(memory) == ["a", "c"]


def test_value_is_handed_out_up_to_its_age_and_use_makes_it_no_younger(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=2, max_age=60.0, by_use=True)
    memory.put("a", 1)
    clock.advance(timedelta(seconds=60))
    assert memory.get("a") == 1
    clock.advance(timedelta(microseconds=1))
    assert memory.get("a") is None
    assert memory.pop("a") is None
    assert len(memory) == 0


def test_asker_may_want_a_younger_one(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=2, max_age=60.0)
    memory.put("a", 1)
    clock.advance(timedelta(seconds=10))
    assert (memory.get("a", max_age=9), memory.get("a", max_age=10), memory.get("a", max_age=99)) == (None, 1, 1)


def test_age_counts_from_the_moment_given(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=2, max_age=60.0)
    clock.advance(timedelta(seconds=100))
    memory.put("a", 1, at=50.0)
    clock.advance(timedelta(seconds=11))
    assert memory.get("a") is None


def test_value_may_tell_its_own_age(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=9, max_age=float)
    memory.put("short", 5)
    memory.put("long", 50)
    clock.advance(timedelta(seconds=6))
    assert (memory.get("short"), memory.get("long")) == (None, 50)


def test_what_is_too_old_goes_when_something_is_put_in(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=9, max_age=60.0)
    memory.put("a", 1)
    memory.put("b", 2)
    clock.advance(timedelta(seconds=61))
    memory.put("c", 3)
    assert list(memory) == ["c"]


def test_capacity_is_of_weight_where_values_have_one(clock):
    memory: BoundedMemory[str, str] = BoundedMemory(clock=clock, capacity=10, weigh=len)
    for key, value in (("a", "12345"), ("b", "1234"), ("c", "12")):
        memory.put(key, value)
    assert list(memory) == ["b", "c"]
    memory.pop("b")
    memory.put("d", "12345678")
    assert list(memory) == ["c", "d"]


def test_value_too_heavy_is_not_kept_and_leaves_no_weight_behind(clock):
    memory: BoundedMemory[str, str] = BoundedMemory(clock=clock, capacity=3, weigh=len)
    memory.put("a", "1234")
    assert len(memory) == 0
    memory.put("a", "123")
    assert memory.get("a") == "123"


def test_pop_forgets(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=2)
    memory.put("a", 1)
    assert (memory.pop("a"), memory.pop("a"), memory.get("a")) == (1, None, None)


def test_without_capacity_nothing_is_kept(clock):
    memory: BoundedMemory[str, int] = BoundedMemory(clock=clock, capacity=0)
    memory.put("a", 1)
    assert len(memory) == 0

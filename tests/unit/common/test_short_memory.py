"""The short memory: one read for all who ask, bounded, and never a failure remembered."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from core.common.clock import MockClock
from core.common.memory import ShortMemory


class Source:
    """Counts reads; a read waits while `gate` is closed."""

    def __init__(self) -> None:
        self.clock = MockClock(datetime(2026, 1, 2, tzinfo=UTC))
        self.memory: ShortMemory[str, int | None] = ShortMemory(clock=self.clock, capacity=2, nothing_for=5.0)
        self.reads: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing = False
        self.value: int | None = 1

    async def get(self, key: str = "k", *, max_age: float = 60.0) -> int | None:
        return await self.memory.get(key, max_age=max_age, read=lambda: self._read(key))

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    async def _read(self, key: str) -> int | None:
        self.reads.append(key)
        await self.gate.wait()
        if self.failing:
            raise ConnectionError
        return self.value


@pytest.fixture
async def source() -> Source:
    return Source()


async def test_value_is_read_once_until_it_is_too_old(source: Source):
    assert [await source.get(), await source.get()] == [1, 1]
    source.pass_time(60)
    await source.get()
    assert source.reads == ["k"]
    source.pass_time(1)
    await source.get()
    assert source.reads == ["k", "k"]


async def test_asker_decides_how_old_is_too_old(source: Source):
    await source.get()
    source.pass_time(10)
    await source.get(max_age=9)
    assert source.reads == ["k", "k"]


async def test_all_who_ask_at_once_share_one_read(source: Source):
    source.gate.clear()
    asked = [asyncio.ensure_future(source.get()) for _ in range(10)]
    await asyncio.sleep(0)
    source.gate.set()
    assert await asyncio.gather(*asked) == [1] * 10
    assert source.reads == ["k"]


async def test_failure_is_not_remembered(source: Source):
    source.failing = True
    with pytest.raises(ConnectionError):
        await source.get()
    source.failing = False
    assert await source.get() == 1


async def test_asker_who_goes_away_does_not_take_the_others_with_it(source: Source):
    source.gate.clear()
    first, second = asyncio.ensure_future(source.get()), asyncio.ensure_future(source.get())
    await asyncio.sleep(0)
    first.cancel()
    source.gate.set()
    assert await second == 1


async def test_nothing_is_remembered_for_a_shorter_time(source: Source):
    source.value = None
    assert await source.get() is None
    source.pass_time(5)
    await source.get()
    assert source.reads == ["k"]
    source.pass_time(1)
    source.value = 2
    assert await source.get() == 2


async def test_what_is_too_old_for_all_who_ask_is_let_go(source: Source):
    await source.get("a", max_age=60)
    source.pass_time(61)
    await source.get("b", max_age=10)
    assert list(source.memory._kept) == ["b"]


async def test_read_that_took_longer_than_its_value_may_be_old_is_not_kept(source: Source):
    async def slow() -> int:
        source.pass_time(61)
        return 1

    assert await source.memory.get("k", max_age=60.0, read=slow) == 1
    assert list(source.memory._kept) == []


async def test_least_recently_used_is_forgotten_first(source: Source):
    for key in ("a", "b", "a", "c", "a", "b"):
        await source.get(key)
    assert source.reads == ["a", "b", "c", "b"]

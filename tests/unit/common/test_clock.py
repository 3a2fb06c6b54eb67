"""The clocks."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from core.common.clock import MockClock, RealClock

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def clock():
    return MockClock(START)


def test_mock_clock_stands_still_until_it_is_moved(clock):
    assert clock.now() == clock.now() == START
    assert clock.monotonic() == clock.monotonic() == 0.0


def test_advancing_moves_wall_and_monotonic_time(clock):
    clock.advance(timedelta(seconds=1.5))
    clock.advance(timedelta(seconds=1))
    assert clock.now() == START + timedelta(seconds=2.5)
    assert clock.monotonic() == 2.5


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)])
def test_setting_moves_wall_time_only(clock, jump):
    clock.advance(timedelta(seconds=3))
    clock.set(START + jump)
    assert clock.now() == START + jump
    assert clock.monotonic() == 3.0


async def test_sleeping_on_a_mock_clock_takes_no_time_and_lets_others_run(clock):
    ran = []

    async def other() -> None:
        ran.append(clock.monotonic())

    task = asyncio.create_task(other())
    await clock.sleep(3600)
    assert clock.now() == START + timedelta(hours=1)
    await task
    assert ran == [3600.0]


def test_real_clock_tells_utc():
    before = datetime.now(UTC)
    assert before <= RealClock().now() <= datetime.now(UTC)
    assert RealClock().now().utcoffset() == timedelta(0)


def test_real_clock_never_goes_back():
    clock = RealClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)


@pytest.mark.looptime
async def test_real_clock_sleeps_on_the_loop():
    loop = asyncio.get_running_loop()
    start = loop.time()
    await RealClock().sleep(60)
    assert loop.time() - start == 60


@pytest.mark.parametrize("duration", [1, 0.5, None, "1s"])
def test_mock_clock_says_what_it_is_to_be_advanced_by(duration):
    clock = MockClock(START)
    with pytest.raises(TypeError, match=r"^advance\(\) takes a timedelta, such as .*; .* has no unit$"):
        clock.advance(duration)
    assert clock.now() == START

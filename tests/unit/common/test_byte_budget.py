"""Bytes of bodies: given out in order, waited for, and shed in time."""

from __future__ import annotations

import asyncio

import pytest

from core.common.resilience import ByteBudget
from core.errors import OverloadedError

NOW, LONG = 0.0, 60.0


def budget() -> ByteBudget:
    return ByteBudget(limit=10)


async def test_what_is_free_is_given_at_once_and_given_back_at_the_end():
    bodies = budget()
    with bodies.share() as share:
        await share.grow(7, timeout=NOW)
        await share.grow(3, timeout=NOW)
        await share.grow(10, timeout=NOW)
        assert bodies.held == 10
    assert bodies.held == 0


async def test_what_is_not_free_in_time_is_refused_and_takes_nothing():
    bodies = budget()
    with bodies.share() as first, bodies.share() as second:
        await first.grow(8, timeout=NOW)
        with pytest.raises(OverloadedError, match="works on 8 bytes of bodies, and 3 more did not get their turn"):
            await second.grow(3, timeout=NOW)
        assert bodies.held == 8
        await second.grow(2, timeout=NOW)


async def hold(bodies: ByteBudget, size: int, done: list[int], leave: asyncio.Event) -> None:
    with bodies.share() as share:
        await share.grow(size, timeout=LONG)
        done.append(size)
        await leave.wait()


async def test_turns_come_in_the_order_of_asking_so_that_a_large_body_is_not_passed_over_for_ever():
    bodies, leave = budget(), asyncio.Event()
    done: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        with bodies.share() as share:
            await share.grow(5, timeout=NOW)
            for size in (9, 1, 2):
                tasks.create_task(hold(bodies, size, done, leave))
                await asyncio.sleep(0)
            assert done == []
        await asyncio.sleep(0)
        assert done == [9, 1]
        leave.set()
    assert done == [9, 1, 2]
    assert bodies.held == 0


async def test_who_gives_up_lets_the_next_one_in():
    bodies, leave = budget(), asyncio.Event()
    done: list[int] = []
    leave.set()
    with bodies.share() as share:
        await share.grow(5, timeout=NOW)
        large = asyncio.create_task(hold(bodies, 9, done, leave))
        small = asyncio.create_task(hold(bodies, 5, done, leave))
        await asyncio.sleep(0)
        large.cancel()
        await small
    assert done == [5]
    assert bodies.held == 0


async def test_turn_that_comes_while_its_request_is_given_up_goes_on_to_the_next():
    bodies, leave = budget(), asyncio.Event()
    done: list[int] = []
    with bodies.share() as share:
        await share.grow(10, timeout=NOW)
        waiting = asyncio.create_task(hold(bodies, 10, done, leave))
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (bodies.held, done) == (0, [])


async def test_share_is_given_back_whatever_happens():
    bodies = budget()

    async def fail() -> None:
        with bodies.share() as share:
            await share.grow(4, timeout=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert bodies.held == 0


async def test_what_is_held_is_told_at_each_change_and_is_nothing_at_the_end():
    told: list[int] = []
    bodies = ByteBudget(limit=10, observe=told.append)
    with bodies.share() as first, bodies.share() as second:
        await first.grow(8, timeout=NOW)
        with pytest.raises(OverloadedError):
            await second.grow(3, timeout=NOW)
        await second.grow(2, timeout=NOW)
        assert max(told) == 10
    assert told[-1] == 0

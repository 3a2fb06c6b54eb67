"""Ctrl-C, SIGTERM and SIGHUP let a command clean up; a second one does not cut that short."""

import asyncio
import os
import signal

import pytest

from core.local.shell import until_stopped


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


async def signals_before_are_handled() -> None:
    """The loop handles signals in the order they come."""
    handled = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, handled.set)
    send(signal.SIGUSR1)
    await handled.wait()
    loop.remove_signal_handler(signal.SIGUSR1)


class Work:
    """Waits for ever, and cleans up."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cleaning = asyncio.Event()
        self.cleaned = False
        self.may_end = asyncio.Event()

    async def __call__(self) -> None:
        try:
            self.started.set()
            await asyncio.Event().wait()
        finally:
            self.cleaning.set()
            await self.may_end.wait()
            self.cleaned = True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signal_ends_the_work_in_order(number: signal.Signals) -> None:
    work = Work()
    work.may_end.set()
    running = asyncio.create_task(until_stopped(work()))
    await work.started.wait()
    send(number)
    await running
    assert work.cleaned


async def test_second_signal_does_not_cut_the_cleaning_short() -> None:
    work = Work()
    running = asyncio.create_task(until_stopped(work()))
    await work.started.wait()
    send(signal.SIGINT)
    await work.cleaning.wait()
    send(signal.SIGINT)
    send(signal.SIGTERM)
    await signals_before_are_handled()
    assert not running.done()
    work.may_end.set()
    await running
    assert work.cleaned


async def test_work_that_ends_by_itself_just_ends() -> None:
    await until_stopped(asyncio.sleep(0))


async def test_what_the_work_raises_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("told")

    with pytest.raises(ValueError, match="told"):
        await until_stopped(fail())


async def test_work_cancelled_by_somebody_else_is_cancelled() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await until_stopped(cancelled())

"""Ends a command in order when it is told to."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; on Ctrl-C, SIGTERM or SIGHUP cancel it and wait until it has cleaned up.

    A second signal changes nothing: cleaning up takes a bounded time, and cut short it leaves processes.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work)
    stopped = asyncio.Event()

    def stop() -> None:
        if not stopped.is_set():
            stopped.set()
            task.cancel()

    for number in _ENDING:
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)

"""Function processes that an asyncio test starts, posts to, kills and stops."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import aiohttp

from tests.e2e.function import FunctionProcess, alert, webhook

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.api_proxy import ApiProxy
    from tests.support.faulty_app import FaultyApp

NO_ANSWER = 0
_PATIENCE = aiohttp.ClientTimeout(total=90)  # of a sender to one that is stopped for longer than its Lease lasts


class Instance:
    """One function with one worker. `proxy` is what lies between it and the API server, if anything."""

    def __init__(self, function: FunctionProcess, session: aiohttp.ClientSession, proxy: ApiProxy | None) -> None:
        self.function = function
        self._proxy = proxy
        self._session = session

    async def post(self, *pods: str) -> int:
        """Send one webhook with an alert on each pod; return the status, NO_ANSWER where there was none."""
        try:
            async with self._session.post(self.function.url, json=webhook(*map(alert, pods))) as answer:
                await answer.read()
                return answer.status
        except aiohttp.ClientError:
            return NO_ANSWER

    @property
    def faults(self) -> FaultyApp:
        """What happens to its calls."""
        assert self._proxy is not None, "nothing lies between it and the API server"
        return self._proxy.faults

    def worker(self) -> int:
        """The pid of the process that serves."""
        (worker,) = self.function.workers()
        return worker

    def signal_worker(self, number: signal.Signals) -> None:
        """Send a signal to the process that serves, and to nothing else."""
        os.kill(self.worker(), number)


def sender_session(token: str) -> aiohttp.ClientSession:
    """Each request on a connection of its own, as a sender that the function has not met."""
    return aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {token}"},
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        timeout=_PATIENCE,
    )


async def start_instance(
    folder: Path, environment: Mapping[str, str], session: aiohttp.ClientSession, proxy: ApiProxy | None = None
) -> Instance:
    """Start a function in `folder` and wait until it listens; the caller kills it."""
    function = FunctionProcess(folder=folder, environment=environment)
    await asyncio.to_thread(function.start)
    return Instance(function, session, proxy)

"""What the function's processes hold, seen from outside, and the event loop's tasks as they tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    import aiohttp

    from tests.e2e.function import FunctionProcess


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look at one worker; `seconds` from the start, `requests` answered until then."""

    seconds: float
    requests: int
    memory: int
    """Resident bytes."""
    connections: int
    """TCP connections that are established."""
    tasks: int
    descriptors: int
    """Open file descriptors."""


class Sampler:
    """Looks at the one worker of a function."""

    def __init__(self, function: FunctionProcess, session: aiohttp.ClientSession) -> None:
        self._url = function.url
        (worker,) = function.workers()
        self._process = psutil.Process(worker)
        self._session = session

    async def sample(self, *, seconds: float, requests: int) -> Sample:
        """Take one sample. Raises psutil.Error where the worker is gone."""
        tasks = await self._tasks()
        connections = self._process.net_connections(kind="tcp")
        return Sample(
            seconds=round(seconds, 1),
            requests=requests,
            memory=self._process.memory_info().rss,
            connections=sum(each.status == psutil.CONN_ESTABLISHED for each in connections),
            tasks=tasks,
            descriptors=self._process.num_fds(),
        )

    async def _tasks(self) -> int:
        async with self._session.get(f"{self._url}/metrics") as response:
            text = await response.text()
        families = text_string_to_metric_families(text)
        (tasks,) = [each.samples[0].value for each in families if each.name == "gateway_asyncio_tasks"]
        return int(tasks)

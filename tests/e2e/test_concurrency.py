"""The same alerts, many at once, against one process and against three: each is counted exactly once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.e2e.boundaries import fingerprint
from tests.e2e.counting import stored
from tests.e2e.function import alert, webhook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.conftest import StartFunction
    from tests.support.cluster import Cluster

# Each answer is to be the first one: an alert that was answered 503 and sent again may count twice.
PATIENT = {"SLUICE_REQUEST_DEADLINE": "60", "SLUICE_API_TIMEOUT": "20"}


@pytest.mark.parametrize(
    ("processes", "pods", "times", "in_flight"),
    [(1, 20, 16, 320), (3, 20, 16, 320), (3, 1000, 5, 200)],
    ids=["20x16-to-one", "20x16-to-three", "1000x5-to-three"],
)
async def test_identical_alerts_at_once_make_one_request_that_counts_them_all(
    start_function: StartFunction, cluster: Cluster, processes: int, pods: int, times: int, in_flight: int
) -> None:
    urls = [start_function(**PATIENT).url for _ in range(processes)]
    names = [f"web{number}" for number in range(pods)]

    statuses = await _post_all(urls, names * times, in_flight=in_flight)

    active, counted = stored(cluster)
    assert active == {fingerprint(name) for name in names}
    assert counted == Counter({fingerprint(name): times for name in names})
    assert len(cluster.requests()) == pods
    assert statuses == {201: pods, 202: pods * (times - 1)}
    assert cluster.leases() == []


async def _post_all(urls: Sequence[str], pods: Sequence[str], *, in_flight: int) -> Counter[int]:
    """One webhook for each pod, in random order, the processes in turn; return how often each status came."""
    shuffled = random.Random(1).sample(pods, k=len(pods))
    waiting = iter(enumerate(shuffled))
    statuses: Counter[int] = Counter()

    async def send(session: aiohttp.ClientSession) -> None:
        for number, pod in waiting:
            async with session.post(urls[number % len(urls)], json=webhook(alert(pod))) as answer:
                await answer.read()
                statuses[answer.status] += 1

    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(send(session))
    return statuses

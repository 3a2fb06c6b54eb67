"""The same alerts, many at once, against one process and against three: each is counted exactly once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from functools import partial
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


@dataclass(frozen=True, kw_only=True)
class Burst:
    """Alerts on `pods`, each `times`, in random order, `group` in one webhook, `in_flight` webhooks at once."""

    processes: int
    pods: int
    times: int
    group: int = 1
    in_flight: int

    def __str__(self) -> str:
        return f"{self.pods}x{self.times} to {self.processes}"


BURSTS = [
    Burst(processes=1, pods=20, times=16, in_flight=320),
    Burst(processes=3, pods=20, times=16, in_flight=320),
    Burst(processes=3, pods=100, times=5, group=5, in_flight=40),
    pytest.param(Burst(processes=3, pods=1000, times=5, group=10, in_flight=40), marks=pytest.mark.long),
]


@pytest.mark.parametrize("burst", BURSTS, ids=str)
async def test_identical_alerts_at_once_make_one_rr_that_counts_them_all(
    start_function: StartFunction, cluster: Cluster, burst: Burst
) -> None:
    start = partial(start_function, ready=True, SLUICE_OWNERS="as-named")
    urls = [(await asyncio.to_thread(start)).url for _ in range(burst.processes)]
    names = [f"web{number}" for number in range(burst.pods)]

    summary = await _post_all(urls, names * burst.times, burst)

    active, counted = stored(cluster)
    assert active == {fingerprint(name) for name in names}
    assert counted == Counter({fingerprint(name): burst.times for name in names})
    assert len(cluster.rrs()) == burst.pods
    assert summary == {"created": burst.pods, "deduplicated": burst.pods * (burst.times - 1)}


async def _post_all(urls: Sequence[str], pods: Sequence[str], burst: Burst) -> Counter[str]:
    """Send all, to the processes in turn; return what the answers' results say in sum."""
    shuffled = random.Random(1).sample(pods, k=len(pods))
    groups = [shuffled[start : start + burst.group] for start in range(0, len(shuffled), burst.group)]
    waiting = iter(enumerate(groups))
    summary: Counter[str] = Counter()

    async def send(session: aiohttp.ClientSession) -> None:
        for number, group in waiting:
            body = webhook(*map(alert, group))
            async with session.post(urls[number % len(urls)], json=body) as answer:
                summary.update(result["status"] for result in (await answer.json())["results"])

    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as sending:
        for _ in range(burst.in_flight):
            sending.create_task(send(session))
    return summary

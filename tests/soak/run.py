"""One soak: the parts put together."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from tests.e2e.function import FunctionProcess
from tests.soak.api_faults import FaultSource
from tests.soak.judging import broken_promises, left_over, unwanted_lines, wrong_answers
from tests.soak.orchestrator import Orchestrator
from tests.soak.report import Result
from tests.soak.sampling import Sampler
from tests.soak.sending import Sender
from tests.soak.traffic import Traffic
from tests.soak.trend import trends
from tests.support.api_proxy import open_api_proxy
from tests.support.cluster import GROUP, Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from tests.apiserver import KubeApiserver
    from tests.soak.sampling import Sample
    from tests.support.api_proxy import ApiProxy

SAMPLE_EVERY = 2.0
TELL_EVERY = 30.0
CONNECTIONS = 50
QUIET_WITHIN = 15.0
"""Seconds after the last answer until nothing is under way any more: what outlived its deadline, and releases."""

_ENVIRONMENT = {
    "SLUICE_AUTH": "none",
    "SLUICE_MAX_CONCURRENT": str(CONNECTIONS),
    # What is remembered has a bound; a small one is reached within the warm-up, and memory is flat from there.
    "SLUICE_MEMORY_RRS": "100",
    "SLUICE_OWNER_CACHE": "30",
    "SLUICE_LOG_LEVEL": "ERROR",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long, how much, and with which random numbers."""

    minutes: float
    rate: float
    seed: int


async def soak(server: KubeApiserver, folder: Path, plan: Plan, *, say: Callable[[str], None]) -> Result:
    """Run the load and judge.

    Raises:
        ValueError: it was too short to judge.
    """
    source = random.Random(plan.seed)
    traffic, faults = Traffic(source), FaultSource(source)
    cluster = await asyncio.to_thread(Cluster, server)
    async with open_api_proxy(server) as proxy, _function(proxy, cluster, folder) as function, _senders() as session:
        sampler = Sampler(function, session)
        sender = Sender(session, function.url, traffic)
        idle = await sampler.sample(seconds=0, requests=0)
        proxy.faults.draw = faults
        async with _orchestrator(cluster, source) as orchestrator:
            samples: list[Sample] = []
            watching = _watch(sampler, sender, samples, proxy, say)
            async with _beside(orchestrator.run(), faults.run_outages(), watching):
                await sender.send_for(plan.minutes * 60, rate=plan.rate)
            faults.stop()
            quiet = await _quiet(sampler, idle, requests=sender.answered)
            rrs = await orchestrator.rrs()
        log = function.log
    judged = trends(samples)
    return Result(
        minutes=plan.minutes,
        rate=plan.rate,
        seed=plan.seed,
        samples=samples,
        trends=judged,
        statuses=dict(traffic.statuses),
        faults=dict(faults.injected),
        idle=idle,
        quiet=quiet,
        rrs_stored=len(rrs) + orchestrator.cleared_rrs,
        problems=[
            *(f"{each.name} grow by {each.per_request:.5f} for each request" for each in judged if not each.flat),
            *left_over(idle, quiet, connections=CONNECTIONS),
            *wrong_answers(traffic.statuses),
            *broken_promises(rrs, orchestrator.cleared, traffic),
            *unwanted_lines(log),
        ],
    )


async def _watch(
    sampler: Sampler, sender: Sender, samples: list[Sample], proxy: ApiProxy, say: Callable[[str], None]
) -> None:
    began = told = time.monotonic()
    while True:
        now = time.monotonic()
        samples.append(await sampler.sample(seconds=now - began, requests=sender.answered))
        if now - told >= TELL_EVERY:
            told = now
            say(_line(samples[-1]))
        proxy.faults.seen.clear()  # of many hours it would fill our own memory
        await asyncio.sleep(SAMPLE_EVERY)


def _line(sample: Sample) -> str:
    return (
        f"{sample.seconds / 60:5.1f} min  {sample.requests:7d} requests  {sample.memory / 1e6:6.1f} MB  "
        f"{sample.connections:3d} connections  {sample.tasks:3d} tasks  {sample.descriptors:3d} files"
    )


async def _quiet(sampler: Sampler, idle: Sample, *, requests: int) -> Sample:
    """The first sample with no more tasks than before, or the last one in time."""
    deadline = time.monotonic() + QUIET_WITHIN
    while True:
        sample = await sampler.sample(seconds=0, requests=requests)
        if sample.tasks <= idle.tasks or time.monotonic() > deadline:
            return sample
        await asyncio.sleep(0.5)


@asynccontextmanager
async def _beside(*works: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run these beside the body, and end them with it; what one of them raises ends the body."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        yield
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def _function(proxy: ApiProxy, cluster: Cluster, folder: Path) -> AsyncIterator[FunctionProcess]:
    kubeconfig = proxy.write_kubeconfig(folder / "kubeconfig", token=cluster.token, namespace=cluster.namespace)
    environment = _ENVIRONMENT | {"KUBECONFIG": str(kubeconfig), "SLUICE_NAMESPACE": cluster.namespace}
    function = FunctionProcess(folder=folder, environment=environment)
    try:
        await asyncio.to_thread(function.start)
        await asyncio.to_thread(function.wait_until_ready)
        yield function
    finally:
        function.kill()


def _senders() -> aiohttp.ClientSession:
    # gunicorn closes a connection after 2 s without a request: one used again at that moment would be lost.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))


@asynccontextmanager
async def _orchestrator(cluster: Cluster, source: random.Random) -> AsyncIterator[Orchestrator]:
    path = f"/apis/{GROUP}/v1alpha1/namespaces/{cluster.namespace}/remediationrequests"
    tls = ssl.create_default_context(cafile=str(cluster.server.ca_file))
    async with aiohttp.ClientSession(
        cluster.server.url,
        connector=aiohttp.TCPConnector(ssl=tls),
        headers={"Authorization": f"Bearer {cluster.server.token}"},
    ) as session:
        yield Orchestrator(session, path, random=source)

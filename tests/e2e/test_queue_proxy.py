"""Behind the real queue-proxy: the functions as Knative runs them, with the numbers of the manifests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count, cycle
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.e2e.function import alert, webhook
from tests.knative.pod import Pod
from tests.manifests.building import objects, the
from tests.support.cluster import SENDER, SENDER_RULES, Cluster
from tests.support.waiting import HANGS_AFTER, POLL_INTERVAL, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path
    from typing import Protocol

    from tests.apiserver import KubeApiserver

    class StartPod(Protocol):
        def __call__(
            self, service: str = "sluice-alertmanager", *, concurrency: int | None = None, started: bool = True
        ) -> AbstractAsyncContextManager[Pod]:
            """Start a pod on this test's own namespace."""


READY_WITHIN = 20.0
PROBE = {"K-Network-Probe": "queue", "User-Agent": "kube-probe/1.36"}
LONGEST_PAUSE = 1.0  # seconds between two tries of a sender, which begin with POLL_INTERVAL


@pytest.fixture
def cluster(breakable_apiserver: KubeApiserver) -> Cluster:
    return Cluster(breakable_apiserver)


@pytest.fixture
def sender_token(cluster: Cluster) -> str:
    return cluster.add_account(SENDER, SENDER_RULES)


@pytest.fixture
def start_pod(cluster: Cluster, tmp_path: Path) -> StartPod:
    numbers = count()

    @asynccontextmanager
    async def start(
        service: str = "sluice-alertmanager", *, concurrency: int | None = None, started: bool = True
    ) -> AsyncIterator[Pod]:
        folder = tmp_path / f"pod-{next(numbers)}"
        folder.mkdir()
        manifests = objects("base")
        settings = the("ConfigMap", "sluice", of=manifests)["data"]
        config = cluster.write_kubeconfig(folder / "kubeconfig")
        pod = Pod(
            folder=folder,
            service=the("Service", service, of=manifests),
            environment=settings | {"KUBECONFIG": str(config), "SLUICE_NAMESPACE": cluster.namespace},
            api_port=cluster.server.port,
            concurrency=concurrency,
        )
        with pod:
            if started:
                pod.start()
                await eventually(lambda: ready(pod), what="queue-proxy to be ready", within=READY_WITHIN)
            yield pod

    return start


async def probe(pod: Pod) -> int:
    """Kubelet's readiness probe; 0 while nothing listens."""
    async with pod.connect() as client:
        try:
            async with client.get("/", headers=PROBE) as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0


async def ready(pod: Pod) -> bool:
    return await probe(pod) == 200


async def post(client: aiohttp.ClientSession, body: dict[str, Any], token: str) -> int:
    """One delivery; 0 where the connection broke."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        async with client.post("/", data=json.dumps(body), headers=headers) as answer:
            await answer.read()
            return answer.status
    except aiohttp.ClientError:
        return 0


async def deliver(clients: list[aiohttp.ClientSession], body: dict[str, Any], token: str) -> Counter[int]:
    """Send as Alertmanager does, again after 5xx and broken connections, to each of `clients` in turn."""
    seen: Counter[int] = Counter()
    turns, pause, began = cycle(clients), POLL_INTERVAL, time.monotonic()
    while time.monotonic() - began < HANGS_AFTER:  # the circuit breaker may be open for 30 s of them
        status = await post(next(turns), body, token)
        seen[status] += 1
        if status and status < 500:
            return seen
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    raise AssertionError(f"never taken: {seen}")


def burst(workloads: int, repeats: int) -> list[dict[str, Any]]:
    """Webhooks of one alert, `repeats` for each workload, mixed."""
    return [webhook(alert(f"web-{number}")) for _ in range(repeats) for number in range(workloads)]


def check_promises(cluster: Cluster, seen: list[Counter[int]], workloads: int) -> None:
    """One RR for each workload, and every acknowledged alert counted."""
    rrs = cluster.rrs()
    fingerprints = Counter(rr["spec"]["signalFingerprint"] for rr in rrs)
    assert len(fingerprints) == workloads
    assert set(fingerprints.values()) == {1}
    counted = sum(rr["status"]["deduplication"]["occurrenceCount"] for rr in rrs)
    acknowledged = sum(each[201] + each[202] for each in seen)
    assert acknowledged == len(seen)
    assert acknowledged <= counted <= sum(sum(each.values()) for each in seen)


@pytest.mark.parametrize("service", ["sluice-alertmanager", "sluice-kubernetes-event"])
async def test_readiness_follows_the_function(start_pod: StartPod, service: str) -> None:
    async with start_pod(service, started=False) as pod:
        pod.proxy.start()
        await eventually(lambda: is_503(pod), what="queue-proxy to say that the function is not there", within=30)
        pod.function.start()
        await eventually(lambda: ready(pod), what="readiness", within=READY_WITHIN)


async def is_503(pod: Pod) -> bool:
    return await probe(pod) == 503


async def test_first_request_after_a_cold_start_is_stored(
    start_pod: StartPod, cluster: Cluster, sender_token: str
) -> None:
    async with start_pod() as pod, pod.connect() as client:
        assert await post(client, webhook(alert("web-1")), sender_token) == 201
    assert len(cluster.rrs()) == 1


async def test_function_never_sees_more_requests_than_its_concurrency(
    start_pod: StartPod, cluster: Cluster, sender_token: str
) -> None:
    async with start_pod(concurrency=3) as pod, pod.connect() as client:
        cluster.server.pause()  # so that requests stay in the function
        try:
            sent = [asyncio.create_task(deliver([client], body, sender_token)) for body in burst(12, 1)]

            async def are_three() -> bool:
                return pod.connections_to_function() == 3

            await eventually(are_three, what="three requests in the function", within=10)
            seen_at_once = []
            for _ in range(20):  # nine more wait before it
                seen_at_once.append(pod.connections_to_function())
                await asyncio.sleep(POLL_INTERVAL)
            # queue-proxy's probe comes and goes; a request that slipped through would stay, as the three do.
            assert min(seen_at_once) == 3, seen_at_once
        finally:
            cluster.server.resume()
        seen = await asyncio.gather(*sent)
    check_promises(cluster, list(seen), workloads=12)


async def test_burst_of_200_requests_is_stored_and_counted(
    start_pod: StartPod, cluster: Cluster, sender_token: str
) -> None:
    async with start_pod() as pod, pod.connect() as client:
        seen = await asyncio.gather(*(deliver([client], body, sender_token) for body in burst(50, 4)))
    check_promises(cluster, list(seen), workloads=50)


@asynccontextmanager
async def burst_on_two_pods(
    start_pod: StartPod, cluster: Cluster, token: str
) -> AsyncIterator[tuple[Pod, asyncio.Future[list[Counter[int]]]]]:
    """200 requests on their way; yields the pod that is to end, and what all senders will have seen."""
    async with AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(start_pod()) for _ in range(2)]
        clients = [await stack.enter_async_context(pod.connect()) for pod in pods]
        seen = asyncio.gather(*(deliver(clients, body, token) for body in burst(50, 4)))
        await eventually(lambda: some_stored(cluster), what="the burst to be under way", within=10)
        yield pods[0], seen


async def test_drain_in_a_burst_loses_and_doubles_nothing(
    start_pod: StartPod, cluster: Cluster, sender_token: str
) -> None:
    """As kubelet ends a pod: SIGTERM to queue-proxy, the function's preStop hook, then SIGTERM to the function."""
    async with burst_on_two_pods(start_pod, cluster, sender_token) as (ending, seen):
        os.kill(pid(ending.proxy), signal.SIGTERM)
        async with ending.connect_to_admin() as admin, admin.get("/wait-for-drain") as drained:
            assert drained.status == 200
        os.kill(pid(ending.function), signal.SIGTERM)
        check_promises(cluster, await seen, workloads=50)
        assert await asyncio.to_thread(ending.function.ended_within, HANGS_AFTER)
        assert await asyncio.to_thread(ending.proxy.ended_within, HANGS_AFTER)
        assert (ending.function.exit_code, ending.proxy.exit_code) == (0, 0)


async def test_sudden_sigterm_in_a_burst_loses_and_doubles_nothing(
    start_pod: StartPod, cluster: Cluster, sender_token: str
) -> None:
    """Where the hook does not run: both get SIGTERM at once, what breaks is sent again to another instance."""
    async with burst_on_two_pods(start_pod, cluster, sender_token) as (ending, seen):
        for process in (ending.function, ending.proxy):
            os.kill(pid(process), signal.SIGTERM)
        check_promises(cluster, await seen, workloads=50)
        assert await asyncio.to_thread(ending.function.ended_within, HANGS_AFTER)
        assert ending.function.exit_code == 0


async def some_stored(cluster: Cluster) -> bool:
    return bool(await asyncio.to_thread(cluster.rrs))


def pid(process: Any) -> int:
    assert process.pid is not None, process.log_tail()
    return int(process.pid)

"""The calls of the protocol, bare: what each costs the API server without a gateway, and what stored RRs cost it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any, Self

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.bench.measuring import cpu_seconds
from tests.bench.scale.costs import Cost, ListCost, Memory
from tests.support.cluster import GROUP

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    import aiohttp
    from prometheus_client import Metric

    from tests.apiserver import KubeApiserver

_SETTLE = 3.0  # seconds for what the server still does after a burst of writes
_IN_FLIGHT = 8
_PATCHED = 50
_JSON = "application/json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"  # as owners are looked up


class CpuMeter:
    """CPU and wall seconds of some processes while a block runs."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids

    def __enter__(self) -> Self:
        self._before = [cpu_seconds([pid]) for pid in self._pids]
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self.cpu = [cpu_seconds([pid]) - before for pid, before in zip(self._pids, self._before, strict=True)]


def resident_megabytes(pid: int) -> float:
    """What the process holds in memory now."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def metrics(server: KubeApiserver, name: str) -> list[Metric]:
    """The server's metrics whose names have `name` in them."""
    text: Any = server.request("GET", "/metrics").body
    lines = [line for line in text.splitlines() if name in line]
    return list(text_string_to_metric_families("\n".join(lines) + "\n"))


async def run_all(operation: Callable[[int], Awaitable[object]], *, number: int, in_flight: int) -> list[float]:
    """Run `operation(0)` to `operation(number - 1)`, `in_flight` at a time; returns the seconds of each."""
    indexes, seconds = count(), []

    async def work() -> None:
        while (index := next(indexes)) < number:
            started = time.perf_counter()
            await operation(index)
            seconds.append(time.perf_counter() - started)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())
    return seconds


@dataclass(frozen=True)
class Api:
    """One namespace of the API server."""

    session: aiohttp.ClientSession
    url: str
    token: str
    tls: ssl.SSLContext
    namespace: str

    async def call(
        self, method: str, path: str, body: Any = None, *, media: str = _JSON, accept: str = _JSON, **query: str
    ) -> Any:
        """One call; `path` is below the RRs of the namespace unless it starts with a slash. `media`: of the body."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": media, "Accept": accept}
        url = self.url + (path if path.startswith("/") else f"{self._base(GROUP, 'v1alpha1')}/{path}")
        data = json.dumps(body) if body is not None else None
        async with self.session.request(
            method, url, data=data, headers=headers, ssl=self.tls, params=query
        ) as response:
            answer = await response.json()
            assert response.status < 300, answer
            return answer

    async def list_rrs(self, fingerprint: str) -> None:
        """The first look: by field selector, from the watch cache."""
        selector = f"spec.signalFingerprint={fingerprint}"
        await self.call("GET", "remediationrequests", fieldSelector=selector, resourceVersion="0")

    async def create_rr(self, template: dict[str, Any], fingerprint: str) -> Any:
        """An RR with the content of `template`."""
        metadata = {"name": f"rr-{fingerprint[:20]}", "annotations": template["metadata"].get("annotations", {})}
        body = template | {"metadata": metadata, "spec": template["spec"] | {"signalFingerprint": fingerprint}}
        body.pop("status", None)
        return await self.call("POST", "remediationrequests", body)

    async def count(self, metadata: dict[str, Any], occurrences: int) -> None:
        """A repeat's PATCH; `metadata` gets the new resourceVersion."""
        at = f"2026-01-02T03:04:05.{occurrences:09d}Z"
        deduplication = {"occurrenceCount": occurrences, "firstSeenAt": at, "lastSeenAt": at}
        version = {"resourceVersion": metadata["resourceVersion"]}
        body = {"metadata": version, "status": {"deduplication": deduplication}}
        path = f"remediationrequests/{metadata['name']}/status"
        patched = await self.call("PATCH", path, body, media="application/merge-patch+json")
        metadata["resourceVersion"] = patched["metadata"]["resourceVersion"]

    async def create_lease(self, fingerprint: str) -> Any:
        """The lock."""
        spec = {"holderIdentity": "sluice-scale", "leaseDurationSeconds": 30}
        metadata = {"name": f"gw-lock-{fingerprint[:16]}"}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        return await self.call("POST", self._lease(), body)

    async def update_lease(self, lease: Any) -> Any:
        """The lock, marked done."""
        body = lease | {"spec": lease["spec"] | {"leaseDurationSeconds": 1}}
        return await self.call("PUT", self._lease(lease), body)

    async def delete_lease(self, lease: Any) -> None:
        """With preconditions, as the gateway does it."""
        conditions = {key: lease["metadata"][key] for key in ("uid", "resourceVersion")}
        await self.call("DELETE", self._lease(lease), {"preconditions": conditions})

    def _lease(self, lease: Any = None) -> str:
        name = f"/{lease['metadata']['name']}" if lease else ""
        return f"{self._base('coordination.k8s.io', 'v1')}/leases{name}"

    def _base(self, group: str, version: str) -> str:
        return f"/apis/{group}/{version}/namespaces/{self.namespace}"


class ServerMeasurement:
    """Costs on one server; what it uses while idle is taken off.

    Args:
        template: an RR as the function itself created it.
        owner: the path of a workload.
        calls: how many of each kind.
    """

    def __init__(self, server: KubeApiserver, api: Api, *, template: dict[str, Any], owner: str, calls: int) -> None:
        assert server.pid is not None
        self._server = server
        self._pid = server.pid
        self._api = api
        self._template = template
        self._owner = owner
        self._calls = calls
        self.stored = 0
        self.idle = 0.0  # CPU seconds a second with nothing to do

    async def calls(self) -> dict[str, Cost]:
        """Measure every kind of call on few RRs."""
        with CpuMeter(self._pid) as meter:
            await asyncio.sleep(_SETTLE)
        self.idle = meter.cpu[0] / meter.seconds
        api = self._api
        rrs: list[Any] = [None] * self._calls
        leases: list[Any] = [None] * self._calls
        turns = [asyncio.Lock() for _ in range(_PATCHED)]

        async def create_rr(index: int) -> None:
            rrs[index] = await api.create_rr(self._template, fingerprint("call", index))

        async def create_lease(index: int) -> None:
            leases[index] = await api.create_lease(fingerprint("call", index))

        async def update_lease(index: int) -> None:
            leases[index] = await api.update_lease(leases[index])

        async def patch_status(index: int) -> None:
            async with turns[index % _PATCHED]:  # again and again the same ones, as repeats do it
                await api.count(rrs[index % _PATCHED]["metadata"], index + 1)

        kinds: dict[str, Callable[[int], Awaitable[object]]] = {
            "create_lease": create_lease,
            "create_rr": create_rr,
            "update_lease": update_lease,
            "patch_status": patch_status,
            "delete_lease": lambda index: api.delete_lease(leases[index]),
            "get_rr": lambda index: api.call("GET", f"remediationrequests/{rrs[index]['metadata']['name']}"),
            "get_owner": lambda _: api.call("GET", self._owner, accept=_METADATA_ONLY),
        }
        costs = {name: await self._cost(operation) for name, operation in kinds.items()}
        self.stored += self._calls
        return costs

    async def lists(self, rrs: int) -> tuple[ListCost, Memory]:
        """Fill the namespace up to `rrs` and measure LIST and memory there."""
        start, missing = self.stored, rrs - self.stored
        if missing > 0:
            await run_all(
                lambda index: self._api.create_rr(self._template, fingerprint("fill", start + index)),
                number=missing,
                in_flight=_IN_FLIGHT,
            )
            self.stored = rrs
        await asyncio.sleep(_SETTLE)
        calls = max(60, min(self._calls, 1_000_000 // max(1, rrs)))
        return await self._list(self._api, calls, rrs), self._memory(rrs)

    async def list_elsewhere(self, other: Api) -> ListCost:
        """Measure LIST of another namespace beside all that were stored here."""
        return await self._list(other, self._calls, self.stored)

    async def _list(self, api: Api, calls: int, rrs: int) -> ListCost:
        seconds, server_ms = await self._timed(
            lambda index: api.list_rrs(fingerprint("unknown", index)), number=calls, in_flight=2
        )
        return ListCost(rrs=rrs, server_ms=server_ms, latency_ms=median(seconds) * 1000)

    def _memory(self, rrs: int) -> Memory:
        heap, storage = (
            sum(sample.value for family in metrics(self._server, name) for sample in family.samples) / 1e6
            for name in ("go_memstats_heap_inuse_bytes", "apiserver_storage_size_bytes")
        )
        return Memory(rrs=rrs, resident_mb=resident_megabytes(self._pid), heap_mb=heap, storage_mb=storage)

    async def _cost(self, operation: Callable[[int], Awaitable[object]]) -> Cost:
        # The first tenth alone, one at a time, for the latency; the rest side by side, for the CPU.
        alone = self._calls // 10
        seconds = await run_all(operation, number=alone, in_flight=1)
        _, server_ms = await self._timed(
            lambda index: operation(alone + index), number=self._calls - alone, in_flight=_IN_FLIGHT
        )
        return Cost(count=self._calls, server_ms=server_ms, latency_ms=median(seconds) * 1000)

    async def _timed(
        self, operation: Callable[[int], Awaitable[object]], *, number: int, in_flight: int
    ) -> tuple[list[float], float]:
        # The mean of all: a lucky slice would leave out the garbage collection that each call has its share in.
        with CpuMeter(self._pid) as meter:
            seconds = await run_all(operation, number=number, in_flight=in_flight)
        return seconds, (meter.cpu[0] - self.idle * meter.seconds) / number * 1000


def fingerprint(kind: str, index: int) -> str:
    """One of many."""
    return hashlib.sha256(f"{kind} {index}".encode()).hexdigest()

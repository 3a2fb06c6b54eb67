"""Measures what each call costs the API server, and what stored RRs cost it."""

from __future__ import annotations

import asyncio
import hashlib
from statistics import median
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from tests.bench.scale.api import Api, run_all
from tests.bench.scale.calibration import Cost, ListCost, Memory
from tests.bench.scale.processes import CpuMeter, resident_megabytes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.apiserver import KubeApiserver

_SETTLE = 3.0  # seconds for what the server still does after a burst of writes
_IN_FLIGHT = 8
_PATCHED = 50


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
        self._stored = 0
        self._idle = 0.0

    async def calls(self) -> dict[str, Cost]:
        """Measure every kind of call on few RRs."""
        await self._measure_idle()
        numbers = range(self._calls)
        rrs: list[Any] = [None] * self._calls
        leases: list[Any] = [None] * self._calls
        turns = [asyncio.Lock() for _ in range(_PATCHED)]

        async def create_rr(index: int) -> None:
            rrs[index] = await self._api.create_rr(self._template, fingerprint("call", index))

        async def create_lease(index: int) -> None:
            leases[index] = await self._api.create_lease(fingerprint("call", index))

        async def update_lease(index: int) -> None:
            leases[index] = await self._api.update_lease(leases[index])

        async def patch_status(index: int) -> None:
            # Again and again the same ones, as repeats do it.
            metadata = rrs[index % _PATCHED]["metadata"]
            async with turns[index % _PATCHED]:
                metadata["resourceVersion"] = await self._api.patch_status(
                    metadata["name"], metadata["resourceVersion"], index + 1
                )

        kinds: dict[str, Callable[[int], Awaitable[object]]] = {
            "create_lease": create_lease,
            "create_rr": create_rr,
            "update_lease": update_lease,
            "patch_status": patch_status,
            "delete_lease": lambda index: self._api.delete_lease(leases[index]),
            "get_rr": lambda index: self._api.get_rr(rrs[index]["metadata"]["name"]),
            "get_owner": lambda _: self._api.get_owner(self._owner),
        }
        costs = {name: await self._cost(operation) for name, operation in kinds.items()}
        self._stored += len(numbers)
        return costs

    async def lists(self, rrs: int) -> tuple[ListCost, Memory]:
        """Fill the namespace up to `rrs` and measure LIST and memory there."""
        await self._fill(rrs)
        await asyncio.sleep(_SETTLE)
        calls = max(60, min(self._calls, 1_000_000 // max(1, rrs)))
        return await self._list(self._api, calls, rrs), self.memory(rrs)

    async def list_elsewhere(self, other: Api) -> ListCost:
        """Measure LIST of another namespace beside all that were stored here."""
        return await self._list(other, self._calls, self._stored)

    async def _list(self, api: Api, calls: int, rrs: int) -> ListCost:
        seconds, server_ms = await self._timed(
            lambda index: api.list_rrs(fingerprint("unknown", index)), number=calls, in_flight=2
        )
        return ListCost(rrs=rrs, server_ms=server_ms, latency_ms=median(seconds) * 1000)

    def memory(self, rrs: int) -> Memory:
        """What the server holds now."""
        values = _metrics(self._server)
        return Memory(
            rrs=rrs,
            resident_mb=resident_megabytes(self._pid),
            heap_mb=values["go_memstats_heap_inuse_bytes"] / 1e6,
            storage_mb=values.get("apiserver_storage_size_bytes", 0.0) / 1e6,
        )

    async def _fill(self, rrs: int) -> None:
        start, missing = self._stored, rrs - self._stored
        if missing > 0:
            await run_all(
                lambda index: self._api.create_rr(self._template, fingerprint("fill", start + index)),
                number=missing,
                in_flight=_IN_FLIGHT,
            )
            self._stored = rrs

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
        return seconds, (meter.cpu[0] - self._idle * meter.seconds) / number * 1000

    async def _measure_idle(self) -> None:
        with CpuMeter(self._pid) as meter:
            await asyncio.sleep(_SETTLE)
        self._idle = meter.cpu[0] / meter.seconds

    @property
    def stored(self) -> int:
        """Requests that the measurement has created."""
        return self._stored

    @property
    def idle(self) -> float:
        """CPU seconds a second that the server uses with nothing to do."""
        return self._idle


def fingerprint(kind: str, index: int) -> str:
    """One of many."""
    return hashlib.sha256(f"{kind} {index}".encode()).hexdigest()


def _metrics(server: KubeApiserver) -> dict[str, float]:
    wanted = ("go_memstats_heap_inuse_bytes", "apiserver_storage_size_bytes")
    text = server.request("GET", "/metrics").body
    lines = [line for line in text.splitlines() if any(name in line for name in wanted)]
    families = text_string_to_metric_families("\n".join(lines) + "\n")
    return {sample.name: sample.value for family in families for sample in family.samples}

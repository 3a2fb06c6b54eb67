"""`make scale CALIBRATE=1`: measures everything the model needs on a real kube-apiserver of this machine."""

from __future__ import annotations

import asyncio
import os
import platform
import ssl
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.apiserver import KubeApiserver
from tests.bench.scale.api import Api
from tests.bench.scale.calibration import Calibration, ListCost, Load, Memory
from tests.bench.scale.measure_function import FunctionMeasurement, cold_start
from tests.bench.scale.measure_seats import SeatMeter, apply_flow_control, nominal_seats
from tests.bench.scale.measure_server import ServerMeasurement, fingerprint
from tests.e2e.function import FunctionProcess
from tests.support.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

_OWNER = "/apis/apps/v1/namespaces/{namespace}/replicasets"


class Calibrator:
    """One server; the function has a namespace of its own, so that it never pays for what fills the other."""

    def __init__(self, server: KubeApiserver, folder: Path, console: Console) -> None:
        self._server = server
        self._folder = folder
        self._console = console
        self._calls = Cluster(server)
        self._signals = Cluster(server)

    async def measure(self, *, calls: int, rrs: list[int]) -> Calibration:
        """Measure all, `rrs` in the namespace of LIST's measurement in turn."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=1)) as session:
            loads = await self._loads(session, signals=calls)
            starts = [cold_start(self._function, pod=f"cold-{turn}") for turn in range(5)]
            template = self._signals.rrs()[0]
            name = template["metadata"]["name"]
            bare = self._api(session, self._calls)
            size = len(await self._raw(session, f"{self._api(session, self._signals).rrs}/{name}"))
            server = ServerMeasurement(self._server, bare, template=template, owner=self._owner(), calls=calls)
            lists: list[ListCost] = []
            memory: list[Memory] = []
            await self._add(server, 0, lists, memory)
            costs = await server.calls()
            for number in rrs:
                await self._add(server, number, lists, memory)
            seats = await self._seats(session, beside=server.stored)
            elsewhere = await server.list_elsewhere(self._api(session, Cluster(self._server)))
        return Calibration(
            machine=self._machine(server.idle),
            calls=costs,
            lists=tuple(lists),
            other_namespace=elsewhere,
            memory=tuple(memory),
            seats=seats,
            loads=loads,
            rr_bytes=size,
            cold_start_s=median(seconds for seconds, _ in starts),
            function_mb=median(megabytes for _, megabytes in starts),
        )

    async def _add(self, server: ServerMeasurement, number: int, lists: list[ListCost], memory: list[Memory]) -> None:
        self._console.print(f"  LIST beside {number:,} RRs ...")
        cost, held = await server.lists(number)
        self._console.print(f"    {cost.server_ms:.2f} ms CPU, {cost.latency_ms:.2f} ms; {held.resident_mb:.0f} MB")
        lists.append(cost)
        memory.append(held)

    async def _loads(self, session: aiohttp.ClientSession, *, signals: int) -> dict[str, Load]:
        self._console.print("  the function under load ...")
        with self._function() as function, self._function() as second:
            return await FunctionMeasurement(self._server, function, second, session).loads(signals=signals)

    async def _seats(self, session: aiohttp.ClientSession, *, beside: int) -> dict[str, float]:
        """Through the gateway's own account, which alone our level is for; late, for the server counts each minute."""
        apply_flow_control(self._server, namespace=self._signals.namespace)
        gateway = replace(self._api(session, self._signals), token=self._signals.token)
        meter = SeatMeter(self._server)
        for index in range(20):
            await gateway.list_rrs(fingerprint("unknown", index))
        stored = len(self._signals.rrs()) + beside
        return {"nominal": nominal_seats(self._server), "stored": float(stored), "list": meter.mean()}

    @contextmanager
    def _function(self) -> Iterator[FunctionProcess]:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        environment = {
            "KUBECONFIG": str(self._signals.write_kubeconfig(folder / "kubeconfig")),
            "SLUICE_NAMESPACE": self._signals.namespace,
            "SLUICE_AUTH": "none",
            "SLUICE_OWNERS": "as-named",  # lookups are calls of the model's own
            "SLUICE_LOG_LEVEL": "WARNING",
        }
        with FunctionProcess(folder=folder, environment=environment) as function:
            yield function

    def _owner(self) -> str:
        namespace = self._calls.namespace
        container = {"name": "web", "image": "web"}
        labels = {"app": "web"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        body = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
        self._calls.call("POST", _OWNER.format(namespace=namespace), body)
        return _OWNER.format(namespace=namespace) + "/web"

    def _api(self, session: aiohttp.ClientSession, cluster: Cluster) -> Api:
        tls = ssl.create_default_context(cafile=str(self._server.ca_file))
        # The admin's: the gateway may not read owners without a role for it, and RBAC costs both the same.
        return Api(session, self._server.url, self._server.token, tls, cluster.namespace)

    async def _raw(self, session: aiohttp.ClientSession, path: str) -> bytes:
        api = self._api(session, self._signals)
        headers = {"Authorization": f"Bearer {api.token}"}
        async with session.get(api.url + path, headers=headers, ssl=api.tls) as response:
            return await response.read()

    def _machine(self, idle: float) -> dict[str, Any]:
        version = self._server.request("GET", "/version").body["gitVersion"]
        return {
            "measured": datetime.now(UTC).date().isoformat(),
            "cores": os.cpu_count() or 0,
            "system": platform.platform(),
            "python": platform.python_version(),
            "kube-apiserver": version,
            "etcd": "in the same process, without fsync",
            "idle_cpu": round(idle, 4),
        }


def calibrate(console: Console, *, calls: int, rrs: list[int]) -> Calibration:
    """Start a server and measure."""
    with tempfile.TemporaryDirectory(prefix="sluice-scale-") as folder, KubeApiserver() as server:
        return asyncio.run(Calibrator(server, Path(folder), console).measure(calls=calls, rrs=rrs))

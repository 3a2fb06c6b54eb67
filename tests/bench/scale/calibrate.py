"""`make scale CALIBRATE=1`: measures everything the model needs on a real kube-apiserver of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import ssl
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.apiserver import KubeApiserver
from tests.bench.scale.bare_calls import Api, ServerMeasurement, fingerprint
from tests.bench.scale.costs import Calibration, ListCost, Load, Memory
from tests.bench.scale.loads import FunctionMeasurement, SeatMeter, apply_flow_control, cold_start, nominal_seats
from tests.e2e.function import FunctionProcess
from tests.support.cluster import Cluster

if TYPE_CHECKING:
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
            raw = await self._api(session, self._signals).call("GET", f"remediationrequests/{name}")
            size = len(json.dumps(raw, separators=(",", ":"), ensure_ascii=False).encode())
            server = ServerMeasurement(self._server, bare, template=template, owner=self._owner(), calls=calls)
            held = [await self._lists(server, 0)]
            costs = await server.calls()
            held += [await self._lists(server, number) for number in rrs]
            seats = await self._seats(session, beside=server.stored)
            elsewhere = await server.list_elsewhere(self._api(session, Cluster(self._server)))
        return Calibration(
            machine=self._machine(server.idle),
            calls=costs,
            lists=tuple(cost for cost, _ in held),
            other_namespace=elsewhere,
            memory=tuple(memory for _, memory in held),
            seats=seats,
            loads=loads,
            rr_bytes=size,
            cold_start_s=median(starts),
        )

    async def _lists(self, server: ServerMeasurement, number: int) -> tuple[ListCost, Memory]:
        self._console.print(f"  LIST beside {number:,} RRs ...")
        cost, held = await server.lists(number)
        self._console.print(f"    {cost.server_ms:.2f} ms CPU, {cost.latency_ms:.2f} ms; {held.resident_mb:.0f} MB")
        return cost, held

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

    def _function(self) -> FunctionProcess:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        environment = {
            "KUBECONFIG": str(self._signals.write_kubeconfig(folder / "kubeconfig")),
            "SLUICE_NAMESPACE": self._signals.namespace,
            "SLUICE_AUTH": "none",
            "SLUICE_OWNERS": "as-named",  # the model has no lookups
            "SLUICE_LOG_LEVEL": "WARNING",
        }
        return FunctionProcess(folder=folder, environment=environment)

    def _owner(self) -> str:
        namespace = self._calls.namespace
        labels = {"app": "web"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
        body = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
        self._calls.call("POST", _OWNER.format(namespace=namespace), body)
        return _OWNER.format(namespace=namespace) + "/web"

    def _api(self, session: aiohttp.ClientSession, cluster: Cluster) -> Api:
        tls = ssl.create_default_context(cafile=str(self._server.ca_file))
        # The admin's: the gateway may not read owners without a role for it, and RBAC costs both the same.
        return Api(session, self._server.url, self._server.token, tls, cluster.namespace)

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

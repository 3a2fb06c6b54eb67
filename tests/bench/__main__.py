"""`make bench`: the function under functions-framework beside the bare API calls, on one real kube-apiserver."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import ssl
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import aiohttp
import typer
from rich.console import Console

from tests.apiserver import KubeApiserver
from tests.bench.api_calls import count_calls
from tests.bench.checks import check_counts
from tests.bench.cold_start import ColdStart, cold_start, write_hello
from tests.bench.comparison import comparison, read_earlier
from tests.bench.figures import Row, ratio, side, table
from tests.bench.floor import BareClient
from tests.bench.gateway import Poster
from tests.bench.workloads import WORKLOADS, Workload
from tests.e2e.function import PRODUCTION, FunctionProcess
from tests.support.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.load import Slice

RESULTS = Path(__file__).parents[2] / "bench-results"


class Bench:
    """One API server and one namespace, and what is measured on them."""

    def __init__(self, server: KubeApiserver, folder: Path, console: Console) -> None:
        self._server = server
        self._folder = folder
        self._console = console
        self._cluster = Cluster(server)

    async def measure(self, workloads: list[Workload], *, pairs: int) -> list[Row]:
        """Run every workload, ours and the floor's slices in turn."""
        with self.function() as function:
            # Shorter than gunicorn's 2 s: a connection it closes while the floor has its turn must not be used.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=1)
            async with aiohttp.ClientSession(connector=connector) as session:
                ours = Poster(session, function.url)
                floor = self._bare(session)
                await self._warm_up(ours, floor)
                return [await self._measure(workload, ours, floor, pairs) for workload in workloads]

    def cold_starts(self, *, runs: int) -> tuple[list[ColdStart], list[ColdStart]]:
        """Start our function and one that does nothing, in turn."""
        source = write_hello(self._folder)
        hello = (PRODUCTION[0], "--asgi", "--source", str(source), "--target", "hello")
        ours, bare = [], []
        for turn in range(runs):
            ours.append(cold_start(self.function, workload=f"cold-{turn}"))
            bare.append(cold_start(partial(self.function, hello), workload="hello"))
        return ours, bare

    @contextmanager
    def function(self, command: tuple[str, ...] = PRODUCTION) -> Iterator[FunctionProcess]:
        """Start the function as production does, with the gateway's own service account."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        kubeconfig = self._cluster.write_kubeconfig(folder / "kubeconfig")
        environment = {
            "KUBECONFIG": str(kubeconfig),
            "SLUICE_NAMESPACE": self._cluster.namespace,
            "SLUICE_AUTH": "none",
            "SLUICE_OWNERS": "as-named",  # the floor looks nothing up either
            "SLUICE_LOG_LEVEL": "WARNING",
        }
        with FunctionProcess(folder=folder, environment=environment, command=command) as function:
            yield function

    async def _measure(self, workload: Workload, ours: Poster, floor: BareClient, pairs: int) -> Row:
        self._console.print(f"  {workload.name} ...")
        await workload.prepare(ours, floor)
        mine: list[Slice] = []
        bare: list[Slice] = []
        calls: dict[str, int] = {}
        for _ in range(pairs):
            before = count_calls(self._server)
            mine.append(await workload.ours(ours))
            for kind, number in (count_calls(self._server) - before).items():
                calls[kind] = calls.get(kind, 0) + number
            bare.append(await workload.floor(floor))
        signals = sum(len(one.latencies) for one in mine) * workload.signals
        check_counts(self._cluster.requests(), sent=ours.sent)
        return Row(
            workload=workload.name,
            ours=side(mine, signals=workload.signals),
            floor=side(bare, signals=1),
            ratio=ratio(mine, bare, signals=workload.signals),
            calls_per_signal=sum(calls.values()) / signals,
            calls=calls,
        )

    async def _warm_up(self, ours: Poster, floor: BareClient) -> None:
        await ours.new("warm-up")
        await floor.new("warm-up-floor")

    def _bare(self, session: aiohttp.ClientSession) -> BareClient:
        tls = ssl.create_default_context(cafile=str(self._server.ca_file))
        return BareClient(session, self._server.url, self._cluster.token, tls, self._cluster.namespace)


def main(
    *,
    pairs: Annotated[int, typer.Option(help="slices of each side, in turn")] = 4,
    cold: Annotated[int, typer.Option(help="cold starts of each side")] = 5,
    only: Annotated[str, typer.Option(help="workloads whose name contains this")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="one pair and one cold start: does it work at all?")] = False,
    save: Annotated[Path, typer.Option("--json", help="where the figures go")] = RESULTS / "latest.json",
    compare: Annotated[Path | None, typer.Option(help="figures of an earlier run to put beside these")] = None,
) -> None:
    """Measure the gateway beside the bare API calls, in the same run."""
    earlier = _earlier(compare)
    pairs, cold = (1, min(cold, 1)) if quick else (pairs, cold)
    console = Console()
    if not console.is_terminal:
        console.width = 120
    workloads = [workload for workload in WORKLOADS if only in workload.name]
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder, KubeApiserver() as server:
        console.print(f"kube-apiserver at {server.url}, {os.cpu_count()} cores for all of it")
        bench = Bench(server, Path(folder), console)
        rows = asyncio.run(bench.measure(workloads, pairs=pairs))
        ours, hello = bench.cold_starts(runs=cold)
    console.print(table(rows))
    if earlier:
        console.print(comparison(rows, earlier))
    if cold:
        console.print(
            f"cold start to first 201: {_seconds(ours):.2f} s, {_megabytes(ours):.0f} MB; "
            f"a bare function: {_seconds(hello):.2f} s, {_megabytes(hello):.0f} MB"
        )
    save.parent.mkdir(parents=True, exist_ok=True)
    save.write_text(json.dumps(_document(rows, ours, hello), indent=2))
    console.print(f"written to {save}")


def _earlier(path: Path | None) -> dict[str, Any]:
    """Read it before the run, which a wrong name would otherwise cost."""
    try:
        return read_earlier(path) if path else {}
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _document(rows: list[Row], ours: list[ColdStart], hello: list[ColdStart]) -> dict[str, Any]:
    return {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
        "workloads": [asdict(row) for row in rows],
        "coldStart": {"ours": [asdict(one) for one in ours], "hello": [asdict(one) for one in hello]},
    }


def _seconds(starts: list[ColdStart]) -> float:
    return median(start.seconds for start in starts)


def _megabytes(starts: list[ColdStart]) -> float:
    return median(start.megabytes for start in starts)


if __name__ == "__main__":
    typer.run(main)

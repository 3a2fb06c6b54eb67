"""`make soak MINUTES=…`: a steady mixed load through faults; is what the function holds flat?"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.apiserver import KubeApiserver
from tests.soak.report import table, write
from tests.soak.run import Plan, soak

RESULTS = Path(__file__).parents[2] / "bench-results"


def main(
    *,
    minutes: Annotated[float, typer.Option(help="how long")] = 10.0,
    rate: Annotated[float, typer.Option(help="requests a second")] = 20.0,
    seed: Annotated[int | None, typer.Option(help="of traffic and faults; each run takes another one")] = None,
    folder: Annotated[Path, typer.Option(help="where soak.json and soak.html go")] = RESULTS,
) -> None:
    """Send a steady mixed load through faults, and watch what the function holds."""
    console = Console()
    if not console.is_terminal:
        console.width = 120
    logging.getLogger("uvicorn.error").disabled = True  # the proxy breaks connections by raising; that is no news
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="sluice-soak-") as workplace, KubeApiserver() as server:
        console.print(f"kube-apiserver at {server.url}; {minutes:g} minutes, {rate:g} requests a second, seed {seed}")
        plan = Plan(minutes=minutes, rate=rate, seed=seed)
        result = asyncio.run(soak(server, Path(workplace), plan, say=console.print))
    console.print(table(result))
    console.print(f"written to {write(result, folder)}")
    for problem in result.problems:
        console.print(f"[red]{problem}[/red]")
    sys.exit(1 if result.problems else 0)


if __name__ == "__main__":
    typer.run(main)

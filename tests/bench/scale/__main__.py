"""`make scale`: the tables of docs/scale.md from the kept calibration; CALIBRATE=1 measures anew."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer
from rich.console import Console

from tests.bench.scale import report
from tests.bench.scale.advice import bursts
from tests.bench.scale.calibrate import calibrate
from tests.bench.scale.costs import CALIBRATION, Costs, read_calibration
from tests.bench.scale.manifests import shipped_service
from tests.bench.scale.model import checks

SIZES = "1000,3000,10000"  # 100,000 take a quarter of an hour


def main(
    *,
    measure: Annotated[bool, typer.Option("--calibrate", help="measure on a real kube-apiserver first")] = False,
    calls: Annotated[int, typer.Option(help="calls of each kind to measure")] = 1000,
    rrs: Annotated[str, typer.Option(help="in the namespace; more, measured earlier, is kept")] = SIZES,
    calibration: Annotated[Path, typer.Option(help="where the measurement is kept")] = CALIBRATION,
) -> None:
    """Print what Sluice needs at each rate, and how bursts go."""
    if measure:
        sizes = [int(size) for size in rrs.split(",")]
        _measure(Console(), calls=calls, rrs=sizes, path=calibration)
    measured = read_calibration(calibration)
    costs = Costs.of(measured)
    services = {name: shipped_service(name) for name in ("base", "production")}
    for shown in (
        report.cost_table(measured),
        report.load_table(measured),
        report.memory_table(measured),
        report.check_table(checks(measured, costs)),
        *(report.demand_table(rate, costs, object_bytes=measured.rr_bytes) for rate in report.RATES),
        report.instance_table(costs),
        report.advice_table(costs),
        report.shipped_table(costs, services),
        report.burst_table(bursts(measured, costs, services)),
    ):
        print(shown)  # noqa: T201 - rich would break its lines


def _measure(console: Console, *, calls: int, rrs: list[int], path: Path) -> None:
    earlier = read_calibration(path) if path.exists() else None
    measured = calibrate(console, calls=calls, rrs=rrs)
    (measured.with_sizes_of(earlier) if earlier else measured).write(path)


if __name__ == "__main__":
    typer.run(main)

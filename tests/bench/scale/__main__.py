"""`make scale`: the tables of docs/scale.md from the kept calibration; CALIBRATE=1 measures anew."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tests.bench.scale import advice_report, report
from tests.bench.scale.calibrate import calibrate
from tests.bench.scale.calibration import CALIBRATION, read_calibration
from tests.bench.scale.checks import checks
from tests.bench.scale.costs import Costs
from tests.bench.scale.manifests import base_service, overlay_service
from tests.bench.scale.scenarios import scenarios

if TYPE_CHECKING:
    from tests.bench.scale.burst import Outcome
    from tests.bench.scale.calibration import Calibration
    from tests.bench.scale.report import Table

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
    for table in (*_tables(measured), report.burst_table(_bursts(measured))):
        print(table)  # noqa: T201 - rich would break its lines


def _tables(measured: Calibration) -> list[Table]:
    costs = Costs.of(measured)
    services = [("base", base_service()), ("production", overlay_service("production"))]
    return [
        report.cost_table(measured),
        report.load_table(measured),
        report.memory_table(measured),
        report.check_table(checks(measured, costs)),
        *report.demand_tables(costs, object_bytes=measured.rr_bytes),
        report.instance_table(costs),
        advice_report.advice_table(costs),
        advice_report.shipped_table(costs, services),
    ]


def _bursts(measured: Calibration) -> list[tuple[str, Outcome]]:
    found = scenarios(
        Costs.of(measured),
        lambda name: base_service() if name == "base" else overlay_service(name),
        cores=float(measured.machine["cores"]),
    )
    return [(burst.name, burst.run(measured)) for burst in found]


def _measure(console: Console, *, calls: int, rrs: list[int], path: Path) -> None:
    earlier = read_calibration(path) if path.exists() else None
    measured = calibrate(console, calls=calls, rrs=rrs)
    (measured.with_sizes_of(earlier) if earlier else measured).write(path)


if __name__ == "__main__":
    typer.run(main)

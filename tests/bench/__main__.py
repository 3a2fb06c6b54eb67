"""`make bench`: the function under functions-framework beside the bare API calls, on one real kube-apiserver."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tests.apiserver import KubeApiserver
from tests.bench.bench import Bench
from tests.bench.cases import Case, all_cases, default_cases, selected
from tests.bench.checks import WrongWorkError
from tests.bench.comparison import comparison
from tests.bench.document import Document, describe_machine
from tests.bench.other_gateway import OtherGateway
from tests.bench.profiling.subjects import Subject, selected_subjects, subjects
from tests.bench.profiling.tables import profiles_table, why_missing
from tests.bench.report import write_report
from tests.bench.tables import cold_line, figures_table, other_gateway_table, targets_table
from tests.bench.targets import checks
from tests.bench.vegeta import build_vegeta

if TYPE_CHECKING:
    from tests.bench.profiling.profile import Profile

_START_SECONDS = 600.0
RESULTS = Path(__file__).parents[2] / "bench-results"


def main(
    *,
    pairs: Annotated[int, typer.Option(help="slices of each side, in turn")] = 5,
    seconds: Annotated[float, typer.Option(help="after so many a case begins no other pair of slices")] = 25.0,
    cold: Annotated[int, typer.Option(help="cold starts of each side")] = 7,
    only: Annotated[list[str] | None, typer.Option(help="workloads whose name contains this; may be repeated")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="each workload at each size, in each number of processes")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="one pair, empty namespace, one process: does it work?")
    ] = False,
    profile: Annotated[
        bool | None,
        typer.Option("--profile/--no-profile", help="profile the function after the cases; not by default if --quick"),
    ] = None,
    save: Annotated[Path, typer.Option("--json", help="where the figures go; the report beside it")] = RESULTS
    / "latest.json",
    compare: Annotated[Path | None, typer.Option(help="figures of an earlier run to put beside these")] = None,
    against: Annotated[
        str, typer.Option(help="URL where another gateway takes webhooks: it gets the same load, in turn")
    ] = "",
    against_token: Annotated[Path | None, typer.Option(help="file with its senders' bearer token")] = None,
    against_group: Annotated[str, typer.Option(help="API group of its RRs")] = "kubernaut.ai",
    against_namespace: Annotated[str, typer.Option(help="where it puts its RRs")] = "kubernaut-system",
) -> None:
    """Measure the gateway beside the bare API calls, in the same run."""
    other = None
    if against:
        token = against_token.read_text().strip() if against_token else ""
        other = OtherGateway(url=against, token=token, group=against_group, namespace=against_namespace)
    earlier = _earlier(compare)
    cases = selected(all_cases() if full else default_cases(), only=only or ())
    if quick:
        pairs, cold = 1, min(cold, 1)
        cases = [case for case in cases if (case.rrs, case.processes) == (0, 1)]
    console = Console()
    if not console.is_terminal:
        console.width = 140
    profile = not quick if profile is None else profile
    loads = selected_subjects(subjects(), only=only or ()) if profile else []
    document = _measured(console, cases, loads, other, pairs=pairs, seconds=seconds, cold=cold)
    _show(console, document, earlier)
    document.write(save)
    report = save.with_suffix(".html")
    write_report(report, document, earlier)
    console.print(f"written to {save} and {report}")


def _measured(
    console: Console,
    cases: list[Case],
    loads: list[Subject],
    other: OtherGateway | None,
    *,
    pairs: int,
    seconds: float,
    cold: int,
) -> Document:
    vegeta = build_vegeta()
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder, KubeApiserver() as server:
        console.print(f"kube-apiserver at {server.url}, {machine['cores']} cores for all of it")
        if other:
            _wait_for(console, other, server)
        bench = Bench(server, vegeta, Path(folder), other)
        ours, hello = bench.cold_starts(runs=cold)
        rows = []
        for index, case in enumerate(cases, start=1):
            console.print(f"  {index} of {len(cases)}: {case.title} ...")
            try:
                rows.append(bench.measure(case, pairs=pairs, seconds=seconds))
            except KeyboardInterrupt:
                console.print("  interrupted: these are the figures so far")
                break
        profiles = _profiled(console, bench, loads if len(rows) == len(cases) else [])
    return Document(machine=machine, rows=rows, cold=ours, hello=hello, profiles=profiles)


def _wait_for(console: Console, other: OtherGateway, server: KubeApiserver) -> None:
    """Whoever starts the other gateway needs the API server of this run first."""
    RESULTS.mkdir(exist_ok=True)
    kubeconfig = server.write_kubeconfig(RESULTS / "admin.kubeconfig")
    console.print(
        f"now install the other gateway's resource definition and start it, with KUBECONFIG={kubeconfig};"
        f" waiting {_START_SECONDS / 60:.0f} minutes for {other.url} to answer ..."
    )
    other.wait_until_it_answers(within=_START_SECONDS)


def _profiled(console: Console, bench: Bench, loads: list[Subject]) -> list[Profile]:
    """Last of all: what traces the function slows the machine."""
    profiles: list[Profile] = []
    for subject in loads:
        console.print(f"  profile of {subject.name} ...")
        try:
            profiles.append(bench.profile(subject))
        except KeyboardInterrupt:
            console.print("  interrupted: these are the profiles so far")
            break
        except WrongWorkError as error:  # the figures of the cases are right all the same
            console.print(f"  no more profiles: {error}")
            break
    return profiles


def _show(console: Console, document: Document, earlier: Document | None) -> None:
    console.print(figures_table(document.rows))
    if any(row.other for row in document.rows):
        console.print(other_gateway_table(document.rows))
    console.print(targets_table(checks(document.rows, document.cold, document.hello)))
    if document.cold:
        console.print(cold_line(document.cold, document.hello))
    if document.profiles:
        console.print(profiles_table(document.profiles))
    for sentence in why_missing(document.profiles):
        console.print(f"no profile: {sentence}")
    if earlier:
        console.print(comparison(document.rows, earlier.rows))


def _earlier(path: Path | None) -> Document | None:
    """Read it before the run, which a wrong name would otherwise cost."""
    try:
        return Document.read(path) if path else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


if __name__ == "__main__":
    typer.run(main)

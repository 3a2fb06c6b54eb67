"""The commands that look at remediation requests, and the one that moves a phase."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from core.common.clock import RealClock
from core.local.running import prefer_what_runs
from core.local.shell import USAGE, CommandError, harmless, new_console
from core.local.viewing import completion
from core.local.viewing.live import Display
from core.local.viewing.rows import Filter, Output, Row, table, written, youngest_last
from core.local.viewing.story import story
from core.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.local.viewing.reader import Reader

PHASES = (
    "Pending",
    "Processing",
    "Analyzing",
    "AwaitingApproval",
    "Executing",
    "Verifying",
    "Blocked",
    "Completed",
    "Failed",
    "TimedOut",
    "Skipped",
    "Cancelled",
)
"""All values of status.overallPhase that the definition knows (kubernaut's RemediationPhase)."""

Context = Annotated[
    str, typer.Option(help="Context of the kubeconfig; its current one without.", autocompletion=completion.contexts)
]
Name = Annotated[str, typer.Argument(help="Its name, or the start of it.", autocompletion=completion.names)]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="Else SLUICE_NAMESPACE, the context's own, or sluice-system.")
]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Look in all namespaces.")]
Form = Annotated[Output, typer.Option("--output", "-o", help="How to show them.")]
PhaseFilter = Annotated[
    list[str] | None,
    typer.Option("--phase", help="Only this phase; may be said again.", autocompletion=completion.among(PHASES)),
]
ActiveFilter = Annotated[bool, typer.Option("--active", help="Only those that take signals: phase not terminal.")]
TargetFilter = Annotated[str, typer.Option("--target", help="Only where this is part of namespace/Kind/name.")]
AlertFilter = Annotated[str, typer.Option("--alert", help="Only where this is part of the alert's name.")]


def get(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names, or their starts; all without.", autocompletion=completion.names),
    ] = None,
    *,
    context: Context = "",
    namespace: Namespace = "",
    all_namespaces: Everywhere = False,
    output: Form = Output.TABLE,
    phase: PhaseFilter = None,
    active: ActiveFilter = False,
    target: TargetFilter = "",
    alert: AlertFilter = "",
) -> None:
    """List remediation requests."""
    chosen = chosen_filter(phase, active=active, target=target, alert=alert)
    with open_reader(context, namespace, everywhere=all_namespaces) as reader:
        objects = [reader.get(name) for name in names] if names else reader.list()
        rows = [row for row in map(Row.from_object, objects) if chosen.lets_through(row)]
        rows = rows if names else youngest_last(rows)
        if output is not Output.TABLE:
            typer.echo(written(rows, output, one=len(names or ()) == 1 and len(rows) == 1), nl=False)
        elif rows:
            new_console().print(table(rows, now=RealClock().now(), namespaces=all_namespaces))
        else:
            place = f"namespace {reader.namespace}" if reader.namespace else "any namespace"
            new_console(stderr=True).print(f"No remediation requests found in {place}.", markup=False)


def watch(
    *,
    context: Context = "",
    namespace: Namespace = "",
    all_namespaces: Everywhere = False,
    output: Form = Output.TABLE,
    phase: PhaseFilter = None,
    active: ActiveFilter = False,
    target: TargetFilter = "",
    alert: AlertFilter = "",
) -> None:
    """Show remediation requests as they come and change, until Ctrl-C; a lost connection is made again."""
    chosen = chosen_filter(phase, active=active, target=target, alert=alert)
    with open_reader(context, namespace, everywhere=all_namespaces) as reader:
        reader.list()  # what cannot work is said at once, rather than tried for ever
        display = Display(
            new_console(),
            chosen=chosen,
            output=output,
            clock=RealClock(),
            pause=time.sleep,
            where=", ".join(part for part in (reader.context, reader.namespace or "all namespaces") if part),
            namespaces=all_namespaces,
        )
        display.follow(reader.watch())


def describe(
    name: Name,
    *,
    context: Context = "",
    namespace: Namespace = "",
    payload: Annotated[bool, typer.Option("--payload", help="Show the whole payload, however long.")] = False,
) -> None:
    """Tell one remediation request as a story: its problem, what joined, what it holds, what was sent."""
    with open_reader(context, namespace) as reader:
        row = Row.from_object(reader.get(name))
    typer.echo(harmless(story(row, now=RealClock().now(), whole=payload)), nl=False)


def phase(
    name: Name,
    to: Annotated[
        str,
        typer.Argument(metavar="PHASE", help=f"One of {', '.join(PHASES)}.", autocompletion=completion.among(PHASES)),
    ],
    *,
    context: Context = "",
    namespace: Namespace = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Move a remediation request to another phase, for trying things out: a consumer's work, done by hand."""
    wanted = next((each for each in PHASES if each.lower() == to.lower()), "")
    if not wanted:
        raise CommandError(f"{to!r} is no phase; take one of {', '.join(PHASES)}", exit_code=USAGE)
    with open_reader(context, namespace) as reader:
        seen = reader.get(name)
        row = Row.from_object(seen)
        change = f"{row.view.name} ({row.target}) from {row.view.phase or 'Pending'} to {wanted}"
        place = f"context {reader.context}, {reader.server}, namespace {row.view.namespace}"
        if not yes and not _agreed(f"Move {change} in {place}?"):
            raise CommandError("nothing was changed")
        reader.set_phase(seen, wanted)
    new_console().print(Text(f"Moved {change}."), soft_wrap=True)


def _agreed(question: str) -> bool:
    try:
        return bool(typer.confirm(question))
    except typer.Abort:
        unanswered = "nothing was changed, for nobody answered the question; --yes does it without asking"
        raise CommandError(unanswered, exit_code=USAGE) from None


def chosen_filter(phases: list[str] | None, *, active: bool, target: str, alert: str) -> Filter:
    """Return the filter that the options name.

    Raises:
        CommandError: one of them is no phase.
    """
    wrong = [each for each in phases or () if each.lower() not in [known.lower() for known in PHASES]]
    if wrong:
        raise CommandError(f"--phase {wrong[0]!r} is no phase; take one of {', '.join(PHASES)}", exit_code=USAGE)
    return Filter(phases=tuple(phases or ()), active=active, target=target, alert=alert)


@contextmanager
def open_reader(context: str, namespace: str, *, everywhere: bool = False) -> Iterator[Reader]:
    """Have a reader of the cluster that the options name until the block ends.

    Raises:
        CommandError: both a namespace and all are asked for, or the kubeconfig cannot be used.
    """
    if everywhere and namespace:
        raise CommandError("say --namespace or --all-namespaces, not both", exit_code=USAGE)
    from core.local.viewing.reader import Reader, Where  # noqa: PLC0415 - `kubernetes` takes a while

    if not context:
        prefer_what_runs()
    reader = Reader(settings=load_settings(), where=Where(context=context, namespace=namespace, everywhere=everywhere))
    try:
        yield reader
    finally:
        reader.close()

"""The commands and their options."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Annotated, Any

import typer
import yaml
from rich.text import Text

from core.common.clock import RealClock
from core.errors import SluiceError
from core.local.cluster import use_default_kubeconfig
from core.local.configuration import effective_settings, settings_table
from core.local.dead_letters import list_command, send_command, show_command
from core.local.demo import BurstPlan, Demo, harmless_url, make_burst
from core.local.doctor.command import doctor_command
from core.local.explaining import check_rules_command, explain_command
from core.local.pruning import prune_command
from core.local.replay import kept_webhooks
from core.local.run import WAIT_SECONDS, Run
from core.local.send import Sending, SendPlan, flattened, read_webhooks
from core.local.shell import INTERRUPTED, USAGE, CommandError, new_console, until_stopped
from core.local.viewing import commands as viewing
from core.local.viewing.rows import Output, Row, youngest_last
from core.local.web import DEFAULT_PORT
from core.settings import load_settings, unknown_variables
from core.version import VERSION

_LAST_PORT = 65_535
_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
_EPILOG = "Exit codes: 0 done; 1 it failed, or a check did; 2 wrong usage, or --yes is missing; 130 interrupted."

app = typer.Typer(help="Sluice on your machine.", epilog=_EPILOG, no_args_is_help=True, pretty_exceptions_enable=False)

Url = Annotated[str, typer.Option(help="Where the function is.")]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Also where the function writes to another cluster than the embedded.")
]


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if wanted:
        typer.echo(f"sluice {VERSION}")
        raise typer.Exit


@app.callback()
def sluice(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Sluice on your machine."""


def _told(command: Callable[..., None]) -> Callable[..., None]:
    """Run a command to its end; what it cannot go on after is one sentence, never a stack trace."""

    @wraps(command)
    def told(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except SluiceError as error:
            new_console(stderr=True).print(f"sluice: {error}", style="bold red", markup=False, soft_wrap=True)
            raise typer.Exit(error.exit_code if isinstance(error, CommandError) else 1) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None

    return told


@app.command()
@_told
def run(
    *,
    port: Annotated[
        int, typer.Option(min=0, max=_LAST_PORT, help="Port of the function on 127.0.0.1; 0 takes a free one.")
    ] = DEFAULT_PORT,
    api_port: Annotated[
        int, typer.Option(min=0, max=_LAST_PORT, help="Port of the embedded Kubernetes API; 0 takes a free one.")
    ] = 0,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Write to the cluster that KUBECONFIG (or SLUICE_API_SERVER) names.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds until a cluster that is not ready ends the command.")
    ] = WAIT_SECONDS,
    console: Annotated[
        bool, typer.Option(help="Show the console beside it, and open it in the desktop's browser.")
    ] = True,
) -> None:
    """Serve the alertmanager function on an embedded Kubernetes API, or with --cluster on yours."""
    if cluster:
        use_default_kubeconfig()

    async def serve() -> None:
        served = Run(
            settings=load_settings(),
            console=new_console(),
            clock=RealClock(),
            port=port,
            cluster=cluster,
            api_port=api_port,
            wait=wait,
            page=console,
        )
        await until_stopped(served.serve())

    _execute(serve())
    new_console().print("Stopped.")


@app.command()
@_told
def demo(
    *,
    url: Url = _URL,
    seed: Annotated[int, typer.Option(help="The same seed makes the same burst.")] = BurstPlan.seed,
    alerts: Annotated[int, typer.Option(min=1, help="Alerts in all, repeats included.")] = BurstPlan.alerts,
    workloads: Annotated[int, typer.Option(min=1, help="Workloads they are about.")] = BurstPlan.workloads,
    yes: Yes = False,
    clean: Annotated[
        bool, typer.Option("--clean", help="Send nothing; delete the remediation requests of earlier bursts.")
    ] = False,
) -> None:
    """Post a burst of alerts and show the RemediationRequests it led to."""
    use_default_kubeconfig()

    async def play() -> bool:
        burst = Demo(
            settings=load_settings(),
            console=new_console(),
            clock=RealClock(),
            url=url,
            plan=BurstPlan(seed=seed, alerts=alerts, workloads=workloads),
            yes=yes,
        )
        return await (burst.clean() if clean else burst.play())

    if not _execute(play()):
        raise typer.Exit(1)


@app.command()
@_told
def send(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Files or folders of webhooks or alerts as JSON; - is standard input. Made up without."),
    ] = None,
    *,
    url: Url = _URL,
    rate: Annotated[float, typer.Option(min=0, help="Webhooks a second at most; 0: as fast as it goes.")] = 0.0,
    repeat: Annotated[int, typer.Option(min=1, help="Send all so many times.")] = 1,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Webhooks in flight at once.")] = 6,
    retry: Annotated[bool, typer.Option(help="Try what was answered 5xx again for a minute, as Alertmanager.")] = True,
    alerts: Annotated[int, typer.Option(min=1, help="Alerts to make up where no source is named.")] = BurstPlan.alerts,
    workloads: Annotated[int, typer.Option(min=1, help="Workloads they are about.")] = BurstPlan.workloads,
    seed: Annotated[int, typer.Option(help="The same seed makes the same alerts.")] = BurstPlan.seed,
    yes: Yes = False,
) -> None:
    """Post alerts to a function and show how it answered, with latencies."""
    use_default_kubeconfig()
    plan = BurstPlan(seed=seed, alerts=alerts, workloads=workloads)
    webhooks = (
        read_webhooks(sources, stdin=sys.stdin) if sources else flattened(make_burst(plan, now=RealClock().now()))
    )
    if not webhooks:
        raise CommandError("there is nothing to send", exit_code=USAGE)
    sending = Sending(
        url=harmless_url(url, settings=load_settings(), yes=yes),
        console=new_console(),
        clock=RealClock(),
        plan=SendPlan(repeat=repeat, concurrency=concurrency, rate=rate, retry=retry),
    )
    if not _execute(sending.send(webhooks)):
        raise typer.Exit(1)


@app.command()
@_told
def config(
    *, output: Annotated[Output, typer.Option("--output", "-o", help="How to show them.")] = Output.TABLE
) -> None:
    """Show every setting as it is in effect, and where its value comes from."""
    settings = effective_settings(load_settings())
    if output is Output.TABLE:
        new_console().print(settings_table(settings))
    elif output is Output.NAME:
        typer.echo("\n".join(each.variable for each in settings))
    else:
        objects = [each.as_object() for each in settings]
        text = json.dumps(objects, indent=2) if output is Output.JSON else yaml.safe_dump(objects, sort_keys=False)
        typer.echo(text.rstrip("\n"))
    for sentence in unknown_variables(os.environ):
        new_console(stderr=True).print(Text(f"sluice: {sentence}", style="yellow"), soft_wrap=True)


@app.command()
@_told
def replay(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names of RRs, or their starts; all without.", autocompletion=viewing.completion.names),
    ] = None,
    *,
    url: Url = _URL,
    context: viewing.Context = "",
    namespace: viewing.Namespace = "",
    phase: viewing.PhaseFilter = None,
    active: viewing.ActiveFilter = False,
    target: viewing.TargetFilter = "",
    alert: viewing.AlertFilter = "",
    rate: Annotated[float, typer.Option(min=0, help="Webhooks a second at most; 0: as fast as it goes.")] = 0.0,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Webhooks in flight at once.")] = 6,
    yes: Yes = False,
) -> None:
    """Send the alerts that opened RRs to a function again, as their payloads keep them."""
    chosen = viewing.chosen_filter(phase, active=active, target=target, alert=alert)
    with viewing.open_reader(context, namespace) as reader:
        objects = [reader.get(name) for name in names] if names else reader.list()
        rows = youngest_last(row for row in map(Row.from_object, objects) if chosen.lets_through(row))
        kept, where = kept_webhooks(rows), reader.where
    for sentence in kept.left_out:
        new_console(stderr=True).print(Text(f"sluice: {sentence}", style="yellow"), soft_wrap=True)
    if not kept.webhooks:
        raise CommandError(f"there is nothing to send again: no RR of {where} keeps an alert that was asked for")
    sending = Sending(
        url=harmless_url(url, settings=load_settings(), yes=yes),
        console=new_console(),
        clock=RealClock(),
        plan=SendPlan(concurrency=concurrency, rate=rate),
    )
    if not _execute(sending.send(kept.webhooks)):
        raise typer.Exit(1)


@app.command()
@_told
def console(
    *,
    port: Annotated[int, typer.Option(min=0, max=_LAST_PORT, help="Port on 127.0.0.1; 0 takes a free one.")] = 8090,
    context: viewing.Context = "",
    namespace: viewing.Namespace = "",
    all_namespaces: viewing.Everywhere = False,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the desktop's browser.")] = True,
) -> None:
    """Show RRs as they come and change on a page on this machine's loopback; it reads only."""
    from core.local.console import Console, open_page  # noqa: PLC0415 - `kubernetes` and uvicorn take a while

    async def serve() -> None:
        async with Console(reader, clock=RealClock(), port=port) as page:
            new_console().print(f"{page.url} shows RRs of {reader.where}. Ctrl-C stops.", markup=False, soft_wrap=True)
            if browser:
                open_page(page.url)
            await asyncio.Event().wait()

    with viewing.open_reader(context, namespace, everywhere=all_namespaces) as reader:
        reader.list()  # what cannot work is said at once, and in the terminal
        _execute(until_stopped(serve()))


for _command in (viewing.get, viewing.watch, viewing.describe, viewing.phase):
    app.command()(_told(_command))
app.command("prune")(_told(prune_command))
app.command("doctor")(_told(doctor_command))
app.command("explain")(_told(explain_command))

_rules = typer.Typer(help="Rules that decide what becomes of signals.", no_args_is_help=True)
_rules.command("check")(_told(check_rules_command))
app.add_typer(_rules, name="rules")

_dead_letters = typer.Typer(help="Events that could not be delivered, as the dead letter sink keeps them.")
_dead_letters.command("list")(_told(list_command))
_dead_letters.command("show")(_told(show_command))
_dead_letters.command("send")(_told(send_command))
app.add_typer(_dead_letters, name="dead-letters", no_args_is_help=True)


def _execute(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)

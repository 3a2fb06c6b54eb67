"""The commands and their options."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from core.clock import RealClock
from core.errors import SluiceError
from core.local.cluster import use_default_kubeconfig
from core.local.demo import BurstPlan, Demo
from core.local.run import WAIT_SECONDS, Run
from core.local.shell import INTERRUPTED, CommandError, new_console, until_stopped
from core.local.web import DEFAULT_PORT
from core.settings import load_settings

_LAST_PORT = 65_535

app = typer.Typer(
    help="Sluice on your machine.", add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command()
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
        )
        await until_stopped(served.serve())

    _execute(serve())
    new_console().print("Stopped.")


@app.command()
def demo(
    *,
    url: Annotated[str, typer.Option(help="Where the function is.")] = f"http://127.0.0.1:{DEFAULT_PORT}",
    seed: Annotated[int, typer.Option(help="The same seed makes the same burst.")] = BurstPlan.seed,
    alerts: Annotated[int, typer.Option(min=1, help="Alerts in all, repeats included.")] = BurstPlan.alerts,
    workloads: Annotated[int, typer.Option(min=1, help="Workloads they are about.")] = BurstPlan.workloads,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Also where the function writes to another cluster than the embedded.")
    ] = False,
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


def _execute(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a command to its end; what it cannot go on after is one sentence, never a stack trace."""
    try:
        return asyncio.run(work)
    except SluiceError as error:
        new_console(stderr=True).print(f"sluice: {error}", style="bold red", markup=False, soft_wrap=True)
        raise typer.Exit(error.exit_code if isinstance(error, CommandError) else 1) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None

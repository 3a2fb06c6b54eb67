"""`sluice prune`: deletes remediation requests that ended long ago, and Leases that nobody needs."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.table import Table
from rich.text import Text

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.kube.access import find_access
from core.kube.resources import remediation_requests
from core.local.cluster import client_by, named_context
from core.local.places import chosen_settings, look_at
from core.local.running import find_all_running, state_folder
from core.local.shell import USAGE, CommandError, new_console
from core.local.viewing.commands import Context, Namespace  # noqa: TC001 - Typer reads the types
from core.local.viewing.rows import Output
from core.protocol.lease import LeaseStore
from core.protocol.pruning import Pruned, prune

if TYPE_CHECKING:
    from core.settings import Settings

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGE = re.compile(r"(\d{1,9}[smhd])+\Z", re.ASCII)
_LEASE = "lease.coordination.k8s.io"
_WHOLE_RUN_SECONDS = 3600.0  # what is left after it, the next run deletes


def prune_command(
    *,
    context: Context = "",
    namespace: Namespace = "",
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Only what ended so long ago: 90m, 24h, 7d, 1d12h.")
    ] = "24h",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted, and delete nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Delete also where the cluster is another than the embedded one.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to show them.")] = Output.TABLE,
) -> None:
    """Delete remediation requests that ended long ago, and the Leases that are left of them.

    One that still holds its problem (a cooldown, a manual review) stays, and so does what changes at that moment.
    """
    import asyncio  # noqa: PLC0415 - a Typer command is a plain function

    seconds = age_in_seconds(older_than)
    if context or not os.environ.get("KUBERNETES_SERVICE_HOST"):  # a CronJob's pod has no kubeconfig
        look_at(context)
    settings = chosen_settings(context, namespace)
    asyncio.run(_prune(settings, context, older_than, seconds, dry_run=dry_run, yes=yes, output=output))


def age_in_seconds(text: str) -> float:
    """Read an age such as `90m`, `24h` or `1d12h`.

    Raises:
        CommandError: it is none.
    """
    if not _AGE.match(text):
        raise CommandError(f"--older-than {text!r} is no age; write 90m, 24h, 7d or 1d12h", exit_code=USAGE)
    return float(sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text)))


async def _prune(
    settings: Settings, context: str, older_than: str, seconds: float, *, dry_run: bool, yes: bool, output: Output
) -> None:
    clock = RealClock()
    access = await find_access(settings, clock=clock, context=context)
    embedded = any(each.embedded and each.server == access.server for each in find_all_running(folder=state_folder()))
    allowed = yes or embedded
    async with client_by(access, settings, clock=clock) as client:
        pruned = await prune(
            client=client,
            store=LeaseStore(client=client, namespace=settings.namespace, clock=clock),
            resource=remediation_requests(group=settings.group, version=settings.version),
            namespace=settings.namespace,
            older_than_seconds=seconds,
            deadline=Deadline(clock=clock, seconds=_WHOLE_RUN_SECONDS),
            cooldown=settings.cooldown,
            dry_run=dry_run or not allowed,
        )
    named = "" if settings.api_server else named_context(os.environ.get("KUBECONFIG", ""), context=context)
    place = ", ".join(part for part in (named, access.server, f"namespace {settings.namespace}") if part)
    if not (allowed or dry_run):
        raise CommandError(
            f"nothing was deleted; --yes deletes {_counted(pruned)} that ended more than {older_than} ago in {place}",
            exit_code=USAGE,
        )
    _show(pruned, output, place=place, kind=f"remediationrequest.{settings.group}", dry_run=dry_run)


def _show(pruned: Pruned, output: Output, *, place: str, kind: str, dry_run: bool) -> None:
    rows = [(kind, name) for name in pruned.remediation_requests]
    rows += [(_LEASE, name) for name in pruned.leases]
    if output is Output.NAME:
        typer.echo("".join(f"{kind}/{name}\n" for kind, name in rows), nl=False)
        return
    if output is not Output.TABLE:
        report: dict[str, Any] = {
            "dryRun": dry_run,
            "remediationRequests": pruned.remediation_requests,
            "leases": pruned.leases,
            "changedMeanwhile": pruned.changed_meanwhile,
        }
        text = json.dumps(report, indent=2) if output is Output.JSON else yaml.safe_dump(report, sort_keys=False)
        typer.echo(text.rstrip("\n"))
        return
    if rows:
        table = Table("KIND", "NAME", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        new_console().print(table)
    done = "Would delete" if dry_run else "Deleted"
    new_console(stderr=True).print(Text(f"{done} {_counted(pruned)} in {place}."), soft_wrap=True)
    if pruned.changed_meanwhile:
        new_console(stderr=True).print(f"{pruned.changed_meanwhile} changed at that moment, and stay.")


def _counted(pruned: Pruned) -> str:
    rrs, leases = len(pruned.remediation_requests), len(pruned.leases)
    return f"{rrs} remediation request{'s' * (rrs != 1)} and {leases} Lease{'s' * (leases != 1)}"

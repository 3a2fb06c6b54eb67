"""The command: what it is given, and how it shows what was found."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.text import Text

from core.common.clock import RealClock
from core.local.cluster import open_client
from core.local.doctor.examination import examine
from core.local.doctor.findings import Level
from core.local.doctor.visit import Times, Visit
from core.local.places import chosen_settings, look_at
from core.local.shell import USAGE, CommandError, new_console
from core.local.viewing.commands import Context, Namespace  # noqa: TC001 - Typer reads the types
from core.local.viewing.rows import Output
from core.local.web import call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.local.doctor.findings import Finding
    from core.settings import Settings

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "bold red"}
_ANSWER_SECONDS = 10.0


def doctor_command(
    *,
    context: Context = "",
    namespace: Namespace = "",
    account: Annotated[
        str,
        typer.Option(help="The function's service account, such as sluice; without, yours are looked at."),
    ] = "",
    token_file: Annotated[
        str, typer.Option("--token-file", help="A sender's token: would it be let in?", metavar="FILE")
    ] = "",
    alertmanager: Annotated[str, typer.Option(help="Its alertmanager.yml, or its URL.", metavar="FILE|URL")] = "",
    output: Annotated[Output, typer.Option("--output", "-o", help="How to show what was found.")] = Output.TABLE,
) -> None:
    """Look at everything between a sender and a remediation request, and say what helps. Nothing is changed.

    Exit codes: 0 no failure, warnings there may be; 1 a failure; 2 wrong usage.
    """
    token = _read(token_file).strip() if token_file else ""
    config = _alertmanager_config(alertmanager) if alertmanager else None
    if context or not os.environ.get("KUBERNETES_SERVICE_HOST"):
        look_at(context)
    settings = chosen_settings(context, namespace)
    findings = asyncio.run(_examined(settings, context, account, token, config))
    _show(findings, output)
    if any(finding.level is Level.FAILURE for finding in findings):
        raise typer.Exit(1)


async def _examined(
    settings: Settings, context: str, account: str, token: str, config: dict[str, Any] | None
) -> list[Finding]:
    clock = RealClock()
    times = Times()
    async with open_client(settings, clock=clock, observe=times, context=context) as client:
        return await examine(
            Visit(
                client=client,
                settings=settings,
                clock=clock,
                account=account,
                token=token,
                alertmanager=config,
                times=times,
            )
        )


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}", exit_code=USAGE) from error


def _alertmanager_config(place: str) -> dict[str, Any]:
    if place.startswith(("http://", "https://")):
        answer = call(f"{place.rstrip('/')}/api/v2/status", timeout=_ANSWER_SECONDS)
        text = str((answer.json().get("config") or {}).get("original", ""))
        if answer.status != 200 or not text:
            raise CommandError(
                f"{place} answered {answer.status}, and no Alertmanager's configuration", exit_code=USAGE
            )
    else:
        text = _read(place)
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CommandError(f"{place} is no YAML: {' '.join(str(error).split())}", exit_code=USAGE) from error
    if not isinstance(config, dict):
        raise CommandError(f"{place} holds no configuration of Alertmanager", exit_code=USAGE)
    return config


def _show(findings: Sequence[Finding], output: Output) -> None:
    if output in (Output.JSON, Output.YAML):
        objects = [dict(finding.as_object()) for finding in findings]
        text = json.dumps(objects, indent=2) if output is Output.JSON else yaml.safe_dump(objects, sort_keys=False)
        typer.echo(text.rstrip("\n"))
    elif output is Output.NAME:
        typer.echo("\n".join(f"{finding.level}/{finding.check}" for finding in findings))
    else:
        console = new_console()
        for finding in findings:
            line = Text(f"{finding.level.value:<8}", style=_STYLES[finding.level])
            line.append(f"{finding.check}: {finding.message}", style="")
            console.print(line, soft_wrap=True)
            if finding.remedy:
                console.print(Text(f"        → {finding.remedy}", style="dim"), soft_wrap=True)

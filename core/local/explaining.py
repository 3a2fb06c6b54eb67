"""`sluice explain`: what would become of alerts and Events, and why; and `sluice rules check`. Nothing is written."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from prometheus_client import CollectorRegistry
from rich.table import Table
from rich.text import Text

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.errors import PayloadError
from core.gateway import build_qualification
from core.kube.resources import remediation_requests
from core.local.cluster import open_client
from core.local.places import chosen_settings, look_at
from core.local.send import read_values
from core.local.shell import USAGE, CommandError, new_console
from core.local.viewing.commands import Context  # noqa: TC001 - Typer reads the types
from core.local.viewing.rows import Output
from core.metrics import Metrics
from core.pipeline import Judgement
from core.protocol.placement import PhaseBasedDeduplicationChecker
from core.results import SignalResult, Status
from core.signals.pubsub import ContentReader
from core.signals.rules import RULES_ANNOTATION, rules_in
from core.signals.rules_file import load_rules
from core.signals.signal import Ignored, Poison
from core.workloads.qualification import OWNER_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.common.clock import Clock
    from core.kube.client import KubeClient
    from core.settings import Settings
    from core.signals.signal import Entry, NormalizedSignal
    from core.workloads.qualification import Qualification

_SECONDS = 30.0
_CLUSTER_SETTINGS = "SLUICE_CLUSTER and SLUICE_CLUSTER_LABELS say which is"
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")
_LABEL = re.compile(r"([^=\s/\\.]+)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would become of one alert. `parts` are lines for people, by what they are about."""

    subject: str
    parts: dict[str, str] = field(default_factory=dict)

    def as_object(self) -> dict[str, str]:
        """Return it as the object that -o json shows."""
        return {"alert": self.subject, **self.parts}


class Explainer:
    """Follows entries through the gateway's own parts, up to where something would be written."""

    def __init__(
        self,
        *,
        qualification: Qualification,
        judgement: Judgement,
        checker: PhaseBasedDeduplicationChecker | None,
        deadline: Deadline,
    ) -> None:
        self._judgement = judgement
        self._qualification = qualification
        self._checker = checker
        self._deadline = deadline

    async def explain(self, entry: Entry) -> Explanation:
        """Return what would become of one alert, Event or incident."""
        entry = self._judgement.of_entry(entry)
        if isinstance(entry, Ignored):
            return Explanation(subject=entry.signal_name or "-", parts={"would": _ignored(entry.reason, entry.message)})
        if isinstance(entry, Poison):
            name = entry.labels.get("alertname", "-")
            return Explanation(subject=name, parts={"would": _refused(entry.reason, entry.message)})
        (found,) = await self._qualification.qualify([entry], deadline=self._deadline)
        if isinstance(found, SignalResult):
            parts = {**_about(entry), "would": _settled(self._judgement.of_result(found))}
            return Explanation(subject=entry.signal_name, parts=parts)
        parts = {**_about(found), "fingerprint": found.fingerprint, "would": await self.outcome(found.fingerprint)}
        return Explanation(subject=entry.signal_name, parts=parts)

    async def outcome(self, fingerprint: str) -> str:
        """Say what a signal of a problem would lead to now."""
        if self._checker is None:
            return "be stored; no cluster was asked on what"
        view = await self._checker.look(fingerprint, deadline=self._deadline)
        if view.holding:
            rr = view.holding
            return f"count on {rr.name}, which counts {rr.occurrences} and is {rr.phase or 'new'}"
        return f"create the RR after {view.newest_over.name}" if view.newest_over else "create an RR"


def _about(signal: NormalizedSignal) -> dict[str, str]:
    parts = {"rules": signal.provenance.get(RULES_ANNOTATION, ""), "target": str(signal.target)}
    parts |= {"found by": signal.found_by, "workload": signal.provenance.get(OWNER_ANNOTATION, "")}
    parts |= {"cluster": signal.cluster_id and f"{signal.cluster_id}, which is not this one; {_CLUSTER_SETTINGS}"}
    return {key: value for key, value in parts.items() if value}


def _settled(result: SignalResult) -> str:
    if result.status is Status.INVALID:
        return _refused(result.reason, result.for_the_log)
    return f"be {result.status}{f' ({result.reason})' if result.reason else ''}: {result.for_the_log}"


def _refused(reason: str, sentence: str) -> str:
    return f"be refused ({reason}): {sentence}"


def _ignored(reason: str, message: str) -> str:
    return f"be ignored ({reason}){f': {message}' if message else ''}"


def explain_command(
    *,
    what: Annotated[
        list[str],
        typer.Argument(
            help="Files with webhooks, alerts, Events or incidents (- for standard input); or labels such as "
            "alertname=HighLoad pod=web-1 namespace=shop; or a fingerprint."
        ),
    ],
    context: Context = "",
    namespace: Annotated[
        str,
        typer.Option("--namespace", "-n", help="Of the function and its RRs; else SLUICE_NAMESPACE, or sluice-system."),
    ] = "",
    offline: Annotated[bool, typer.Option("--offline", help="Ask no cluster: targets are taken as named.")] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to show them.")] = Output.TABLE,
) -> None:
    """Show what would become of alerts and Events, and why; nothing is written.

    Settings are those of the environment (SLUICE_*): give it those that your functions have.
    """
    look_at(context)
    settings = chosen_settings(context, namespace, by_context=False)  # what is in its own namespace is ignored
    explained = asyncio.run(_explained(what, settings, context, offline=offline))
    _show(explained, output)


async def _explained(what: Sequence[str], settings: Settings, context: str, *, offline: bool) -> list[Explanation]:
    clock = RealClock()
    fingerprints = [word for word in what if _FINGERPRINT.match(word)]
    entries = list(_entries([word for word in what if word not in fingerprints], settings, clock))
    async with open_client(settings, clock=clock, context=context) if not offline else nullcontext() as client:
        explainer = _explainer(settings, client, clock)
        found = [Explanation(subject=word, parts={"would": await explainer.outcome(word)}) for word in fingerprints]
        return found + [await explainer.explain(entry) for entry in entries]


def _explainer(settings: Settings, client: KubeClient | None, clock: Clock) -> Explainer:
    resource = remediation_requests(group=settings.group, version=settings.version)
    checker = None
    if client:
        checker = PhaseBasedDeduplicationChecker(
            client=client,
            resource=resource,
            namespace=settings.namespace,
            clock=clock,
            cooldown=settings.cooldown,
        )
    metrics = Metrics(registry=CollectorRegistry())
    return Explainer(
        qualification=build_qualification(settings=settings, client=client, metrics=metrics, clock=clock),
        judgement=Judgement.by(settings),
        checker=checker,
        deadline=Deadline(clock=clock, seconds=_SECONDS),
    )


def _entries(what: Sequence[str], settings: Settings, clock: Clock) -> Iterator[Entry]:
    reader = ContentReader(
        received_time=clock.now(),
        signal_type=settings.signal_type,
        event_max_age=float("inf"),
        max_alerts=settings.max_alerts,
        untargeted=settings.untargeted,
        rules=rules_in(settings.rules),
        cluster_labels=settings.cluster_label_list,
    )
    labels: dict[str, str] = {}
    files = []
    for word in what:
        label = _LABEL.fullmatch(word)
        if label and not Path(word).exists():
            labels[label[1]] = label[2]
        else:
            files.append(word)
    documents: list[tuple[Any, str]] = [({"labels": labels}, "labels")] if labels else []
    for document, name in [*documents, *read_values(files, stdin=sys.stdin)]:
        try:
            yield from reader.read(json.dumps(document).encode(), provenance={}).entries
        except PayloadError as error:
            raise CommandError(f"{name}: {error}", exit_code=USAGE) from None


def _show(explained: Sequence[Explanation], output: Output) -> None:
    objects = [each.as_object() for each in explained]
    if output is Output.NAME:
        typer.echo("".join(f"{each['fingerprint']}\n" for each in objects if "fingerprint" in each), nl=False)
    elif output is Output.JSON:
        typer.echo(json.dumps(objects, indent=2))
    elif output is Output.YAML:
        typer.echo(yaml.safe_dump(objects, sort_keys=False).rstrip("\n"))
    else:
        console = new_console()
        for each in explained:
            console.print(Text(each.subject, style="bold"), soft_wrap=True)
            for about, said in each.parts.items():
                console.print(Text(f"  {about + ':':13}{said}"), soft_wrap=True)


def check_rules_command(
    *, file: Annotated[str, typer.Argument(help="The YAML file that SLUICE_RULES is to name.")]
) -> None:
    """Read a file of rules and list them in the order in which they are tried; exit code 1 where it cannot work."""
    rules = load_rules(file, where=file)
    table = Table("NAME", "MATCH", "ACTION", box=None, pad_edge=False)
    for rule in rules.rules:
        matchers = ", ".join(matcher.text for matcher in rule.matchers)
        table.add_row(*map(Text, (rule.name, matchers, rule.actions)))
    new_console().print(table)
    own = os.environ.get("SLUICE_RULES")
    if own and own != file:
        new_console(stderr=True).print(Text(f"SLUICE_RULES names another file: {own}"), soft_wrap=True)

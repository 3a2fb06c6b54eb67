"""What `sluice demo` reads, deletes and shows: its RRs, the sum, and three checks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from core.common.resilience import Deadline
from core.common.text import parse_rfc3339
from core.kube.errors import ConflictError, NotFoundError
from core.kube.resources import remediation_requests
from core.local.demo.burst import DEMO_LABEL
from core.protocol.remediation_request import RemediationRequest
from core.workloads.qualification import OWNER_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from core.common.clock import Clock
    from core.kube.client import KubeClient
    from core.local.demo.sender import Tally
    from core.settings import Settings

JsonObject = dict[str, Any]
_READ_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRR:
    """One row of the table. `target` is `Kind namespace/name`; times are RFC 3339.

    `owner` is the workload that the target is part of; `demo` tells whether an alert of a burst opened it.
    """

    view: RemediationRequest
    alert: str
    demo: bool
    target: str
    owner: str
    first_seen: str
    last_seen: str

    @classmethod
    def from_object(cls, obj: JsonObject) -> ShownRR:
        """Read the API server's object."""
        view = RemediationRequest.from_object(obj)
        known = view.deduplication
        return cls(
            view=view,
            alert=str(obj["spec"].get("signalName", "")),
            demo=DEMO_LABEL.items() <= (obj["spec"].get("signalLabels") or {}).items(),
            target=_target(obj["spec"].get("targetResource") or {}),
            owner=str((obj["metadata"].get("annotations") or {}).get(OWNER_ANNOTATION, "")),
            first_seen=known.first_seen_at if known else view.creation_timestamp,
            last_seen=known.last_seen_at if known else view.creation_timestamp,
        )


async def read_remediation_requests(client: KubeClient, settings: Settings, *, clock: Clock) -> dict[str, ShownRR]:
    """Return all RRs of the namespace by name, as they stand now: a consistent LIST.

    Raises:
        KubernetesError: with a sentence that says what is missing.
    """
    resource = remediation_requests(group=settings.group, version=settings.version)
    deadline = Deadline(clock=clock, seconds=_READ_SECONDS)
    listing = await client.list(resource, namespace=settings.namespace, query={}, deadline=deadline)
    shown = [ShownRR.from_object(obj) for obj in listing.items]
    return {each.view.name: each for each in shown}


async def delete_from_bursts(client: KubeClient, settings: Settings, *, clock: Clock) -> tuple[int, list[str]]:
    """Delete what earlier bursts opened; return how many that were, and the names of those left alone.

    What changed since it was read is left alone: somebody works with it, or an alert joined.

    Raises:
        KubernetesError: with a sentence that says what is missing.
    """
    resource = remediation_requests(group=settings.group, version=settings.version)
    deleted, left = 0, []
    for shown in (await read_remediation_requests(client, settings, clock=clock)).values():
        if not shown.demo:
            continue
        seen = {"uid": shown.view.uid, "resourceVersion": shown.view.resource_version}
        deadline = Deadline(clock=clock, seconds=_READ_SECONDS)
        try:
            await client.delete(
                resource, namespace=settings.namespace, name=shown.view.name, preconditions=seen, deadline=deadline
            )
            deleted += 1
        except NotFoundError:
            continue
        except ConflictError:
            left.append(shown.view.name)
    return deleted, left


def gained(before: Mapping[str, ShownRR], after: Mapping[str, ShownRR]) -> Counter[str]:
    """Return by name how many occurrences were added between two readings."""
    counts: Counter[str] = Counter()
    for name, rr in after.items():
        counts[name] = rr.view.occurrences - (before[name].view.occurrences if name in before else 0)
    return counts


def uncounted(acknowledged: Mapping[str, int], counted: Mapping[str, int]) -> list[str]:
    """Return a sentence for each RR that counts fewer alerts than were acknowledged on it.

    More are fine: a webhook that is tried again may count twice, and others may send too.
    """
    return [
        f"{name}: {number} alerts were acknowledged, {counted.get(name, 0)} are counted"
        for name, number in sorted(acknowledged.items())
        if counted.get(name, 0) < number
    ]


def doubled(rrs: Iterable[ShownRR]) -> list[str]:
    """Return a sentence for each problem that more than one active RR stands for."""
    active: dict[str, list[str]] = {}
    for rr in rrs:
        if rr.view.active:
            active.setdefault(rr.view.fingerprint, []).append(rr.view.name)
    return [f"{' and '.join(sorted(names))} stand for one problem" for names in active.values() if len(names) > 1]


def _target(resource: Mapping[str, str]) -> str:
    name = "/".join(part for part in (resource.get("namespace"), resource.get("name")) if part)
    return f"{resource.get('kind', '')} {name}".strip() or "-"


_MOST_SENTENCES = 5
_DATE = len("2026-01-02")


def show_report(
    console: Console,
    tally: Tally,
    *,
    before: Mapping[str, ShownRR],
    after: Mapping[str, ShownRR],
    seconds: float,
) -> bool:
    """Show the RRs that the burst touched; return whether everything was delivered and counted."""
    counted = gained(before, after)
    touched = [after[name] for name in tally.acknowledged if name in after]
    console.print()
    console.print(_table(touched, counted))
    _show_sum(console, tally, touched, counted, seconds)
    checks = [
        _check(console, "every acknowledged alert is counted", uncounted(tally.acknowledged, counted)),
        _check(console, "one active RR for each problem", doubled(after.values())),
        _check(console, "every webhook was accepted", tally.undelivered),
    ]
    return all(checks)


def _table(rrs: Sequence[ShownRR], counted: Counter[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", row_styles=["", "dim"], pad_edge=False)
    table.add_column("RemediationRequest", no_wrap=True)
    table.add_column("Alert", no_wrap=True, overflow="ellipsis")
    table.add_column("Target", no_wrap=True, overflow="ellipsis")
    table.add_column("Phase", no_wrap=True)
    table.add_column("Count", justify="right", no_wrap=True)
    table.add_column("First seen", no_wrap=True)
    table.add_column("Last (UTC)", no_wrap=True)
    today = max((rr.last_seen for rr in rrs), default="")[:_DATE]
    for rr in sorted(rrs, key=lambda each: (-each.view.occurrences, each.target)):
        cells = [rr.view.name, rr.alert, rr.target, rr.view.phase or "-"]
        times = [_short(rr.first_seen, today=today), _short(rr.last_seen, today=today)]
        table.add_row(*map(Text, [*cells, _count(rr, counted), *times]))
    return table


def _count(rr: ShownRR, counted: Counter[str]) -> str:
    total, new = rr.view.occurrences, counted[rr.view.name]
    return str(total) if total == new else f"{total} (+{new})"


def _show_sum(
    console: Console, tally: Tally, touched: Sequence[ShownRR], counted: Counter[str], seconds: float
) -> None:
    sent = sum(tally.alerts.values())
    answers = ", ".join(f"{number} x {status}" for status, number in sorted(tally.answers.items()))
    unanswered = f", {tally.unanswered} x no answer" if tally.unanswered else ""
    outcomes = ", ".join(f"{number} {status}" for status, number in sorted(tally.alerts.items()))
    occurrences = sum(counted[rr.view.name] for rr in touched)
    _line(console, f"{sent} alerts in {seconds:.1f} s: {outcomes or 'none delivered'}")
    _line(console, f"{sum(tally.answers.values())} answers: {answers}{unanswered}")
    _line(console, f"{len(touched)} RRs, {occurrences} new occurrences")
    for sentence in _joined_pods(tally, touched):
        _line(console, sentence)
    for sentence in sorted(set(tally.refused))[:_MOST_SENTENCES]:
        _line(console, f"refused: {sentence}", style="yellow")


def _joined_pods(tally: Tally, touched: Sequence[ShownRR]) -> list[str]:
    """Return a sentence where Pods of one workload alerted, with the RR that most of them joined."""
    shared = [rr for rr in touched if len(tally.pods.get(rr.view.name, ())) > 1]
    if not shared:
        return []
    most = max(shared, key=lambda rr: (len(tally.pods[rr.view.name]), rr.view.name))
    pods = ", ".join(sorted(tally.pods[most.view.name]))
    more = f" ({len(shared)} RRs stand for several Pods each)" if len(shared) > 1 else ""
    return [f"one RR, {most.view.name}, for the Pods {pods}: all are of {most.owner or 'one workload'}{more}"]


def _check(console: Console, claim: str, faults: Sequence[str]) -> bool:
    style, word = ("bold red", "FAIL") if faults else ("bold green", "PASS")
    console.print(Text.assemble((word, style), f"  {claim}"), soft_wrap=True)
    for fault in faults[:_MOST_SENTENCES]:
        _line(console, f"      {fault}", style="red")
    if len(faults) > _MOST_SENTENCES:
        _line(console, f"      and {len(faults) - _MOST_SENTENCES} more", style="red")
    return not faults


def _line(console: Console, text: str, *, style: str = "") -> None:
    console.print(Text(text), style=style, soft_wrap=True)


def _short(moment: str, *, today: str) -> str:
    try:
        parsed = parse_rfc3339(moment)
    except ValueError:
        return moment or "-"
    return f"{parsed:%H:%M:%S}" if moment[:_DATE] == today else f"{parsed:%d %b %H:%M}"

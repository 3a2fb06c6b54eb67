"""What `sluice demo` shows at its end: the requests, the sum, and two checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from core.local.demo.reading import ShownRequest, doubled, gained, uncounted
from core.timestamps import parse_rfc3339

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from core.local.demo.sender import Tally

_MOST_SENTENCES = 5
_DATE = len("2026-01-02")


def show_report(
    console: Console,
    tally: Tally,
    *,
    before: Mapping[str, ShownRequest],
    after: Mapping[str, ShownRequest],
    seconds: float,
) -> bool:
    """Show the requests that the burst touched; return whether everything was delivered and counted."""
    counted = gained(before, after)
    touched = [after[name] for name in tally.acknowledged if name in after]
    console.print()
    console.print(_table(touched, counted))
    _show_sum(console, tally, touched, counted, seconds)
    verdicts = [
        _verdict(console, "every acknowledged alert is counted", uncounted(tally.acknowledged, counted)),
        _verdict(console, "one active request for each problem", doubled(after.values())),
        _verdict(console, "every webhook was accepted", tally.undelivered),
    ]
    return all(verdicts)


def _table(requests: Sequence[ShownRequest], counted: Counter[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", row_styles=["", "dim"], pad_edge=False)
    table.add_column("RemediationRequest", no_wrap=True)
    table.add_column("Alert", no_wrap=True, overflow="ellipsis")
    table.add_column("Target", no_wrap=True, overflow="ellipsis")
    table.add_column("Phase", no_wrap=True)
    table.add_column("Count", justify="right", no_wrap=True)
    table.add_column("First seen", no_wrap=True)
    table.add_column("Last (UTC)", no_wrap=True)
    today = max((request.last_seen for request in requests), default="")[:_DATE]
    for request in sorted(requests, key=lambda each: (-each.view.occurrences, each.target)):
        cells = [request.view.name, request.alert, request.target, request.view.phase or "-"]
        times = [_short(request.first_seen, today=today), _short(request.last_seen, today=today)]
        table.add_row(*map(Text, [*cells, _count(request, counted), *times]))
    return table


def _count(request: ShownRequest, counted: Counter[str]) -> str:
    total, new = request.view.occurrences, counted[request.view.name]
    return str(total) if total == new else f"{total} (+{new})"


def _show_sum(
    console: Console, tally: Tally, touched: Sequence[ShownRequest], counted: Counter[str], seconds: float
) -> None:
    sent = sum(tally.alerts.values())
    answers = ", ".join(f"{number} x {status}" for status, number in sorted(tally.answers.items()))
    unanswered = f", {tally.unanswered} x no answer" if tally.unanswered else ""
    outcomes = ", ".join(f"{number} {status}" for status, number in sorted(tally.alerts.items()))
    occurrences = sum(counted[request.view.name] for request in touched)
    _line(console, f"{sent} alerts in {seconds:.1f} s: {outcomes or 'none delivered'}")
    _line(console, f"{sum(tally.answers.values())} answers: {answers}{unanswered}")
    _line(console, f"{len(touched)} requests, {occurrences} new occurrences")
    for sentence in sorted(set(tally.refused))[:_MOST_SENTENCES]:
        _line(console, f"refused: {sentence}", style="yellow")


def _verdict(console: Console, claim: str, faults: Sequence[str]) -> bool:
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

"""The tables of docs/alerts.md that come from the cases: `python -m tests.cases.page` writes them anew."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.common.resilience import Deadline
from core.results import Status
from core.signals.alertmanager import decode_alertmanager
from tests.cases.cluster import cluster_of
from tests.support.instances import START

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.results import SignalResult
    from tests.support.instances import World

FILES = ("kube-prometheus", "other-rules")
PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"
END = "<!-- end -->"

REASONS = {
    "no_target": "names no object",
    "rule": "a built-in rule",
}
"""Why alerts of the cases are ignored, in words."""


def written(page: str, file: str, tables: str) -> str:
    """Return the page with the `tables` of a file between its marks."""
    begin = f"<!-- made of {file} by python -m tests.cases.page -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}\n\n{tables}\n{END}{after}"


@dataclass(frozen=True)
class Led:
    """Where an alert of a case led: an outcome in words, and whether it is `right`, `ignored` on purpose or `wrong`."""

    case: Any
    outcome: str
    figure: str


async def led(file: str) -> list[Led]:
    """Return where the gateway of this folder leads each alert of a file, all in one cluster."""
    data = json.loads((Path(__file__).parent / f"{file}.json").read_text())
    world = await cluster_of(data["cluster"], data.get("kinds", ()))
    found = [Led(case, *_judged(await _result(world, case), case["problem"])) for case in data["cases"]]
    await world.close()
    return found


def tables(found: Sequence[Led]) -> str:
    """Return the figures and the table."""
    leads: dict[tuple[str, str], list[str]] = {}
    for each in found:
        leads.setdefault((each.case["note"], each.outcome), []).append(each.case["name"])
    figures = Counter(each.figure for each in found)
    total = sum(figures.values())
    lines = [
        "| of its alerts, by name and severity | |",
        "| --- | --- |",
        f"| about the right object | {figures['right']} |",
        f"| ignored on purpose | {figures['ignored']} |",
        f"| wrong | {figures['wrong']} |",
        f"| in all | {total} |",
        "",
        "| rules of | lead to | alerts |",
        "| --- | --- | --- |",
    ]
    order = list(dict.fromkeys(group for group, _ in leads))
    for group, outcome in sorted(leads, key=lambda lead: (order.index(lead[0]), lead[1].startswith("ignored"))):
        names = Counter(leads[group, outcome])
        shown = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in names.items())
        lines.append(f"| {group} | {outcome} | {names.total()}: {shown} |")
    return "\n".join(lines) + "\n"


def _judged(result: SignalResult, problem: str | None) -> tuple[str, str]:
    """Return what an alert leads to, in words, and whether that is right."""
    if result.stored:
        right = problem is not None and result.fingerprint == hashlib.sha256(problem.encode()).hexdigest()
        kind = problem.split(":")[1] if right and problem else "another object"
        return f"an RR about its {kind}", "right" if right else "wrong"
    if result.status is Status.IGNORED and problem is None:
        return f"ignored: {REASONS[result.reason]} (`{result.reason}`)", "ignored"
    return f"{result.status}, which is wrong", "wrong"


async def _result(world: World, case: Any) -> SignalResult:
    alert = {"status": "firing", "labels": case["labels"], "annotations": case["annotations"]}
    body = json.dumps({"version": "4", "status": "firing", "alerts": [alert]}).encode()
    instance = world.instance(owners="resolve", **case["settings"])
    batch = decode_alertmanager(body, received_time=START, signal_type="prometheus-alert")
    deadline = Deadline(clock=world.clock, seconds=60.0)
    (result,) = await instance.gateway.pipeline.process(batch, digest=b"", deadline=deadline)
    return result


def write() -> None:
    """Write the page anew."""
    page = PAGE.read_text()
    for file in FILES:
        page = written(page, file, tables(asyncio.run(led(file))))
    PAGE.write_text(page)


if __name__ == "__main__":
    write()

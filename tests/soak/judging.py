"""What must hold when a soak is over, besides that nothing grew. Each check returns sentences about what does not."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from core.protocol.remediation_request import is_terminal_phase
from tests.e2e.function import UNWANTED
from tests.soak.orchestrator import occurrences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.soak.sampling import Sample
    from tests.soak.traffic import Traffic

_GOOD, _BAD = {200, 201, 202, 503}, {400, 413, 415, 503}


def broken_promises(rrs: Iterable[Mapping[str, Any]], cleared: Mapping[str, int], traffic: Traffic) -> list[str]:
    """One active RR for a fingerprint at most, and every acknowledged alert counted."""
    active: defaultdict[str, int] = defaultdict(int)
    counted = Counter(cleared)
    for rr in rrs:
        fingerprint = rr["spec"]["signalFingerprint"]
        active[fingerprint] += not is_terminal_phase(rr.get("status", {}).get("overallPhase", ""))
        counted[fingerprint] += occurrences(rr)
    twice = [each for each, number in active.items() if number > 1]
    lost = [each for each, number in traffic.acknowledged.items() if counted[each] < number]
    invented = [each for each, number in counted.items() if number > traffic.sent[each]]
    return [
        *(f"{each} has {active[each]} active RRs" for each in twice),
        *(f"{each} was acknowledged {traffic.acknowledged[each]} times and counted {counted[each]}" for each in lost),
        *(f"{each} was sent {traffic.sent[each]} times and counted {counted[each]}" for each in invented),
    ]


def wrong_answers(statuses: Mapping[str, int]) -> list[str]:
    """Answers that no sender may get, or no answer at all."""
    problems = []
    for key, number in statuses.items():
        kind, status = key.split()
        allowed = _BAD if kind == "bad" else _GOOD
        if int(status) not in allowed:
            problems.append(f"{number} posts of kind {kind} were answered {status}")
    return problems


def left_over(idle: Sample, quiet: Sample, *, connections: int) -> list[str]:
    """What is still held with nothing under way, beside what was held before the first request."""
    problems = []
    if quiet.tasks > idle.tasks:
        problems.append(f"{quiet.tasks - idle.tasks} tasks are left with nothing to do")
    if quiet.descriptors > idle.descriptors + connections:
        problems.append(f"{quiet.descriptors - idle.descriptors} more files are open than before the first request")
    return problems


def unwanted_lines(log: str) -> list[str]:
    """Traces and warnings in the function's log."""
    return [f"the function's log has: {line}" for line in log.splitlines() if UNWANTED.search(line)][:5]

"""`make scale-crosscheck`: the simulated autoscaler beside Knative's own code, decision by decision.

Not among the tests: Knative's autoscaler takes minutes to build where none of its packages was compiled before.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.scale.autoscaler import Autoscaler
from tests.bench.scale.manifests import ServiceSettings, base_service
from tests.gobuild import GoProgram

if TYPE_CHECKING:
    from collections.abc import Sequence

    Decided = tuple[int, int, int]

_KNATIVE = GoProgram(
    name="knative-autoscaler",
    sources=Path(__file__).parents[2] / "knative",
    module="knative.dev/serving",
    package="./cmd/autoscaler",
    duration="4 minutes",
)
_TRACES = 300
_SECONDS = 240


@dataclass(frozen=True)
class Trace:
    """What an autoscaler is told: settings, pods at the start, and concurrency (None: no report) and pods by second."""

    settings: ServiceSettings
    ready_at_start: int
    seconds: Sequence[tuple[float | None, int]]

    def document(self) -> str:
        """For Knative's."""
        settings = self.settings
        return json.dumps(
            {
                "target": settings.target * settings.utilization,
                "total": settings.target,
                "target_burst_capacity": settings.target_burst_capacity,
                "panic_threshold": settings.panic_threshold,
                "window": int(settings.window),
                "panic_window": round(settings.window * settings.panic_window_share),
                "ready": self.ready_at_start,
                "seconds": [{"concurrency": concurrency, "ready": ready} for concurrency, ready in self.seconds],
            }
        )


def random_trace(rng: random.Random) -> Trace:
    """Quiet, bursts, silence and pods that come late, with other settings each time."""
    settings = ServiceSettings(
        target=float(rng.choice((1, 7, 40, 100))),
        window=float(rng.choice((6, 30, 60, 120))),
        target_burst_capacity=float(rng.choice((-1, 0, 20, 200))),
        panic_threshold=rng.choice((1.5, 2.0, 5.0)),
    )
    ready = first = rng.choice((0, 0, 1, 4))
    level, seconds = 0.0, []
    for _ in range(_SECONDS):
        if rng.random() < 0.08:
            level = rng.choice((0.0, 0.0, 1.0, settings.target, 20 * settings.target, 500 * settings.target))
            ready = rng.choice((0, 1, ready, ready + rng.randrange(30)))
        silent = level == 0.0 and rng.random() < 0.7
        seconds.append((None if silent else round(level * rng.uniform(0.5, 1.5), 3), ready))
    return Trace(settings, first, seconds)


def shipped_trace(rng: random.Random) -> Trace:
    """The shipped settings, from zero into a burst, with pods three seconds late."""
    levels = [0.0] * 3 + [rng.uniform(100, 2_000) for _ in range(40)] + [0.0] * (_SECONDS - 43)
    return Trace(base_service(), 0, [(level, min(10, max(0, place - 5))) for place, level in enumerate(levels)])


def ours(trace: Trace) -> list[Decided]:
    """Second, pods, excess burst capacity of each decision."""
    autoscaler = Autoscaler(trace.settings, ready=trace.ready_at_start)
    decided: list[Decided] = []
    for second, (concurrency, ready) in enumerate(trace.seconds):
        if concurrency is not None:
            autoscaler.record(second, concurrency)
        if second % 2 == 1 and (decision := autoscaler.decide(second, ready=ready)) is not None:
            decided.append((second, decision.pods, decision.excess_burst_capacity))
    return decided


def theirs(binary: Path, trace: Trace) -> list[Decided]:
    """The same by Knative's code."""
    answer = subprocess.run([str(binary)], input=trace.document(), capture_output=True, text=True, check=True)
    return [(each["second"], each["pods"], each["excess_burst_capacity"]) for each in json.loads(answer.stdout)]


def main() -> int:
    """Compare; 1 where a decision differs."""
    binary = _KNATIVE.build()
    rng = random.Random(20260)
    compared = 0
    for number in range(_TRACES):
        trace = shipped_trace(rng) if number % 10 == 0 else random_trace(rng)
        mine, knative = ours(trace), theirs(binary, trace)
        if mine != knative:
            different = next(pair for pair in zip_longest(mine, knative) if pair[0] != pair[1])
            sys.stderr.write(f"trace {number}, {trace.settings}: ours {different[0]}, Knative's {different[1]}\n")
            return 1
        compared += len(mine)
    sys.stdout.write(
        f"{compared:,} decisions of {_TRACES} traces are those of knative.dev/serving {_KNATIVE.version}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

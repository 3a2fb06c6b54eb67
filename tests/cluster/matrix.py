"""Measures settings of the alertmanager Service under Knative's real autoscaler: `python -m tests.cluster.matrix`.

Each row is a burst at zero: 1,000 webhooks about 100 problems from 400 senders, or a node failure as docs/scale.md has
it: 300 workloads, each five times in 40 s from two Alertmanagers, in webhooks of ten. It takes about two minutes a row;
docs/scale.md has what came of it. Arguments choose rows, as in `80/40/10s/4` (containerConcurrency, target, window,
max-scale), or `node/20/14/60s/4`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.cluster.burst import Burst
from tests.cluster.fixtures import RESTS_WITHIN, install
from tests.cluster.machine import Machine
from tests.cluster.product import (
    ALERTMANAGER,
    NAMESPACE,
    occurrences,
    pods_of,
    remediation_requests,
)
from tests.cluster.workloads import create_workloads
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

_MANY_SENDERS: Any = {"problems": 100, "repeats": 10, "senders": 400}
_NODE_FAILURE: Any = {"problems": 300, "repeats": 10, "senders": 60, "alerts": 10, "every": 8.0}
_DEFAULT_ROWS = (
    "80/40/60s/4",
    "80/40/10s/4",
    "40/28/60s/4",
    "20/14/60s/4",
    "20/14/10s/4",
    "20/14/60s/2",
    "20/14/60s/10",
    "10/7/60s/4",
    "node/20/14/60s/4",
)
_COLUMNS = (
    "settings",
    "s to first 2xx",
    "s in all",
    "p50 s",
    "p99 s",
    "503",
    "other failures",
    "pods",
    "RRs",
    "beyond",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One combination of settings."""

    concurrency: int
    target: str
    window: str
    max_scale: str
    name: str
    node_failure: bool

    @classmethod
    def parse(cls, text: str) -> Row:
        """Raises ValueError."""
        settings = text.removeprefix("node/")
        concurrency, target, window, max_scale = settings.split("/")
        return cls(
            concurrency=int(concurrency),
            target=target,
            window=window,
            max_scale=max_scale,
            name=text,
            node_failure=settings != text,
        )

    def burst(self, namespace: str) -> Burst:
        """What is sent."""
        return Burst(namespace=namespace, **(_NODE_FAILURE if self.node_failure else _MANY_SENDERS))

    def patch(self) -> str:
        """What makes a revision of it."""
        annotations = {
            f"autoscaling.knative.dev/{key}": value
            for key, value in (("target", self.target), ("window", self.window), ("max-scale", self.max_scale))
        }
        spec = {"containerConcurrency": self.concurrency}
        return json.dumps({"spec": {"template": {"metadata": {"annotations": annotations}, "spec": spec}}})


@dataclass
class Watched:
    """The most pods that were alive at once, and the fewest after that while the burst went on."""

    most: int = 0
    fewest_after: int = 0
    seen: list[int] = field(default_factory=list)

    async def watch(self, machine: Machine) -> None:
        """Until cancelled."""
        while True:
            alive = (await asyncio.to_thread(pods_of, machine, ALERTMANAGER)).alive
            if alive >= self.most:
                self.most = self.fewest_after = alive
            self.fewest_after = min(self.fewest_after, alive)
            await asyncio.sleep(0.5)


async def measure(machine: Machine, row: Row, *, number: int) -> str:
    """A line of the table."""
    service = "services.serving.knative.dev"
    machine.kubectl("-n", NAMESPACE, "patch", service, ALERTMANAGER, "--type=merge", f"--patch={row.patch()}")
    machine.kubectl("-n", NAMESPACE, "wait", "--for=condition=ready", "--timeout=120s", service, ALERTMANAGER)
    await asyncio.to_thread(
        wait_for, lambda: pods_of(machine, ALERTMANAGER).all == 0, what="the function to rest", within=RESTS_WITHIN
    )
    burst = row.burst(f"shop-{number}")
    create_workloads(machine, namespace=burst.namespace, number=burst.problems)
    watched = Watched()
    watching = asyncio.create_task(watched.watch(machine))
    outcome = await burst.send(machine, token=machine.token(namespace="monitoring", account="alertmanager"))
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    rrs = remediation_requests(machine, namespace=burst.namespace)
    others = sum(number for code, number in outcome.codes.items() if code not in (200, 201, 202, 503))
    cells = [
        row.name,
        f"{outcome.first_taken:.1f}",
        f"{outcome.seconds:.1f}",
        f"{outcome.percentile(0.5):.1f}",
        f"{outcome.percentile(0.99):.1f}",
        outcome.codes[503],
        others,
        f"{watched.most}, then {watched.fewest_after}" if watched.fewest_after < watched.most else watched.most,
        len(rrs),
        occurrences(rrs) - burst.signals + outcome.not_taken * burst.alerts,
    ]
    return f"| {' | '.join(map(str, cells))} |"


def main(arguments: Sequence[str]) -> None:
    """Print the table, a line at a time."""
    rows = [Row.parse(each) for each in arguments or _DEFAULT_ROWS]
    with Machine() as machine:
        install(machine)
        sys.stdout.write(f"| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}\n")
        for number, row in enumerate(rows):
            sys.stdout.write(f"{asyncio.run(measure(machine, row, number=number))}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

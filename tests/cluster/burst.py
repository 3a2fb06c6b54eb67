"""A burst of Alertmanager's webhooks at the gateway, each sent again until it is taken, and what became of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.cluster.product import ALERTMANAGER, SIGNALS, host_of

if TYPE_CHECKING:
    from tests.cluster.machine import Machine

TRIES = 120  # ten minutes; Alertmanager itself goes on for as long as the alert fires
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds


@dataclass(kw_only=True)
class Outcome:
    """What the sender saw. Times are in seconds."""

    codes: Counter[int | str] = field(default_factory=Counter)
    """All answers by status; for those that did not come, the exception's name."""
    finals: Counter[int | str] = field(default_factory=Counter)
    """The last answer of each webhook."""
    first_taken: float = 0.0
    """From the first byte sent to the first 2xx."""
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Of each webhook until it was taken, its repetitions included; sorted."""

    @property
    def not_taken(self) -> int:
        """Webhooks that the sender gave up."""
        return sum(number for code, number in self.finals.items() if code not in (200, 201, 202))

    def percentile(self, share: float) -> float:
        """Of the latencies."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


@dataclass(frozen=True, kw_only=True)
class Burst:
    """Webhooks about `problems` workloads (workloads.py), each `repeats` times, `senders` at a time.

    Attributes:
        alerts: of each webhook, about as many workloads.
        every: seconds from one webhook of a sender to its next; 0: as soon as the one before is taken.
    """

    namespace: str
    problems: int
    repeats: int
    senders: int
    alerts: int = 1
    every: float = 0.0

    @property
    def signals(self) -> int:
        """All alerts that are sent, repetitions after a failure aside."""
        return self.problems * self.repeats

    async def send(self, machine: Machine, *, token: str) -> Outcome:
        """Send all, in an order that is the same each time."""
        groups = range(0, self.problems, self.alerts)
        jobs = [self.webhook(first, repeat) for repeat in range(self.repeats) for first in groups]
        random.Random(self.namespace).shuffle(jobs)
        outcome, begun = Outcome(), time.monotonic()

        async def sender(client: aiohttp.ClientSession) -> None:
            for turn in itertools.count():
                await asyncio.sleep(begun + turn * self.every - time.monotonic())
                if not jobs:
                    return
                sent = time.monotonic()
                code = await self._deliver(client, json.dumps(jobs.pop()), token, outcome, begun)
                outcome.finals[code] += 1
                outcome.latencies.append(time.monotonic() - sent)

        async with machine.connect() as client:
            await asyncio.gather(*(sender(client) for _ in range(self.senders)))
        outcome.seconds = time.monotonic() - begun
        outcome.latencies.sort()
        return outcome

    def webhook(self, first: int, repeat: int) -> dict[str, Any]:
        """One about the workload `first` and those after it, in the form of Alertmanager's webhook version 4."""
        common = {
            "alertname": "KubeStatefulSetReplicasMismatch",
            "severity": "critical",
            "namespace": self.namespace,
        }
        problems = range(first, min(first + self.alerts, self.problems))
        alerts = [
            {
                "status": "firing",
                "labels": common | {"statefulset": f"cart-{problem}"},
                "annotations": {"summary": "pods are missing"},
                "startsAt": "2026-11-25T19:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus/graph",
                "fingerprint": f"{problem:016x}",
            }
            for problem in problems
        ]
        return {
            "version": "4",
            "groupKey": f"{{}}:{{problem={first}, repeat={repeat}}}",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "sluice",
            "groupLabels": {},
            "commonLabels": common,
            "commonAnnotations": {},
            "externalURL": "http://alertmanager",
            "alerts": alerts,
        }

    async def _deliver(
        self, client: aiohttp.ClientSession, body: str, token: str, outcome: Outcome, begun: float
    ) -> int | str:
        headers = {
            "Host": host_of(ALERTMANAGER),
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        pause = _FIRST_PAUSE
        code: int | str = ""
        for _ in range(TRIES):
            try:
                async with client.post(SIGNALS, data=body, headers=headers) as answer:
                    await answer.read()
                    code = answer.status
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                code = type(error).__name__
            outcome.codes[code] += 1
            if isinstance(code, int) and code < 500:
                if code < 300 and not outcome.first_taken:
                    outcome.first_taken = time.monotonic() - begun
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return code

"""Alertmanager as the sender (0.34): groups, retries, the pair that sends twice."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.signals.signal import TargetResource, fingerprint_of
from tests.simulation.pods import ResetError
from tests.simulation.scenario import dice

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from tests.simulation.pods import Pod
    from tests.simulation.world import World

ALERTS = ("HighMemoryUsage", "CrashLooping")
_FIRST_BACKOFF, _BACKOFF_FACTOR, _BACKOFF_JITTER, _LONGEST_BACKOFF = 0.5, 1.5, 0.5, 60.0
_LEAST_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """A body, and for each of its alerts the fingerprint it must be counted under, or nothing."""

    body: bytes
    fingerprints: tuple[str, ...]


def fingerprint(target: str) -> str:
    """Return the fingerprint of a target, computed as the gateway does."""
    return fingerprint_of(TargetResource(kind="Pod", name=target, namespace="prod"))


def webhook(*alerts: tuple[str, str], broken: bool = False, resolved: bool = False) -> Webhook:
    """Return a version 4 webhook; an alert is its name and target, `broken` adds one that names no target."""
    status = "resolved" if resolved else "firing"
    named = [_alert(alertname=name, pod=target, namespace="prod") | {"status": status} for name, target in alerts]
    named += [_alert(alertname="Watchdog")] if broken else []
    body = {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "sluice",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": named,
    }
    fingerprints = tuple("" if resolved else fingerprint(target) for _, target in alerts) + (("",) if broken else ())
    return Webhook(json.dumps(body).encode(), fingerprints)


def _alert(**labels: str) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"severity": "critical", **labels},
        "annotations": {},
        "startsAt": "2026-01-02T03:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "a1b2",
    }


class Alertmanager:
    """One group's notification: sent by one peer, or by both where the first is slow to tell the other."""

    def __init__(self, *, world: World, key: str, resolved: bool = False) -> None:
        self._world = world
        self._key = key
        rng = dice(world.scenario.seed, key)
        targets = rng.sample(world.scenario.targets, rng.randint(1, len(world.scenario.targets)))
        alerts = [(name, target) for target in targets for name in ALERTS[: rng.choice((1, 1, 2))]]
        self._webhook = webhook(*alerts, broken=rng.random() < 0.1, resolved=resolved)
        self._peer_waits = rng.uniform(0.0, 6.0) if rng.random() < 0.35 else None

    def send(self) -> None:
        """Start both peers."""
        self._world.begin(self._notify("am-0"))
        if self._peer_waits is not None:
            self._world.loop.outside(self._peer_waits, lambda: self._world.begin(self._notify("am-1")))

    async def _notify(self, peer: str) -> None:
        """Flush until one flush succeeds; something still fires, but not for ever."""
        for flush in range(3):
            if await self._flush(peer, f"{self._key}-{peer}-{flush}"):
                return
            await asyncio.sleep(self._world.scenario.group_interval)

    async def _flush(self, peer: str, key: str) -> bool:
        loop = self._world.loop
        end = loop.true_time + max(_LEAST_TIMEOUT, self._world.scenario.group_interval)
        tries, pause = 0, _FIRST_BACKOFF
        while loop.true_time < end:
            tries += 1
            rng = dice(self._world.scenario.seed, f"{key}-{tries}")
            status = await self._post(peer, f"{key}-{tries}", rng, end - loop.true_time)
            if status and status < 500:
                return True
            wait = pause * rng.uniform(1 - _BACKOFF_JITTER, 1 + _BACKOFF_JITTER)
            await asyncio.sleep(min(wait, max(0.0, end - loop.true_time)))
            pause = min(pause * _BACKOFF_FACTOR, _LONGEST_BACKOFF)
        return False

    async def _post(self, peer: str, key: str, rng: random.Random, timeout: float) -> int:
        """Return the status that arrived, or 0 for none."""
        world = self._world
        pod = rng.choice(world.pods)
        lost = rng.random() < world.scenario.fault_rate / 3 and not world.healed and key not in world.without
        try:
            async with asyncio.timeout(timeout):
                given = await pod.post(self._webhook.body, self._webhook.fingerprints)
        except (TimeoutError, ResetError) as error:
            world.note(peer, f"{self._key} failed: {error!r}")
            return 0
        if lost:
            world.trace.fault(key, "answer to a webhook lost")
        world.note(peer, f"{self._key} got {given.status}" + (" [lost]" if lost else ""))
        return 0 if lost else given.status


async def probe(world: World, targets: Sequence[str]) -> None:
    """When all faults are over: each pod takes an alert on each target, at the third try at the latest.

    Where a clock was set back, a Lease from the future may be met only now: it runs out 31 s later.
    """
    tries = 6 if world.judge.leases.clocks_jumped else 3
    for target in targets:
        for pod in world.pods:
            await _deliver(world, pod, webhook((ALERTS[0], target)), tries=tries)


async def resolve(world: World, targets: Sequence[str]) -> None:
    """Then one pod is told that all alerts of each target are resolved."""
    for target in targets:
        everything = webhook(*((name, target) for name in ALERTS), resolved=True)
        await _deliver(world, world.pods[0], everything, tries=3)


async def _deliver(world: World, pod: Pod, sent: Webhook, *, tries: int) -> None:
    for _ in range(tries):
        given = await pod.post(sent.body, sent.fingerprints)
        if given.status < 300:
            return
        await asyncio.sleep(3.0)
    world.judge.fail("heals", f"{pod.machine.name} still answers {given.status}: {given.body[:300]!r}")

"""Others who create RRs: a gateway like kubernaut's, and a problem that wants a taken name."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from core.common.text import micro_time, parse_rfc3339, rfc3339
from core.kube.resources import LEASES
from core.protocol.lease import lease_name
from core.protocol.lock import LOCK_DURATION_SECONDS
from core.protocol.remediation_request import fenced_name
from tests.simulation.judge import fingerprint_of
from tests.simulation.machine import START
from tests.simulation.people import NAMESAKE, RRS, Caller
from tests.simulation.phases import active
from tests.simulation.scenario import dice
from tests.simulation.senders import fingerprint

if TYPE_CHECKING:
    import random

    from tests.simulation.world import World


class Namesake(Caller):
    """Another problem whose fingerprint wants the very name that a target's next RR has.

    By chance that needs eighty equal bits, so its RR is put there. Nobody deletes it: its name would
    come free under those who found it taken.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world, "namesake-0")

    def take_name(self, key: str) -> None:
        """Create an RR under a target's next name, where it is free."""
        rng = dice(self._world.scenario.seed, key)
        of = fingerprint(rng.choice(self._world.scenario.targets))
        lease = self._world.etcd.current("leases", lease_name(of))
        if lease is None:
            return
        metadata = lease["metadata"]
        name = fenced_name(of, lease_uid=metadata["uid"], overwritten=rng.choice(("", metadata["resourceVersion"])))
        body = _request(name, of[:12] + sha256(key.encode()).hexdigest()[12:], called=NAMESAKE)
        if self.call("POST", RRS, "", body) != 409:
            self._world.trace.fault(key, "name taken by another fingerprint")


class ForeignGateway(Caller):
    """As kubernaut does it: one holder for the whole pod, its own Lease entered again, renewTime judged by the
    local clock, random names, a release without preconditions."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "gateway-go-0")
        self._offset = dice(world.scenario.seed, "foreign clock").uniform(-2.0, 2.0)

    async def receive(self, key: str) -> None:
        """Work on one alert."""
        rng = dice(self._world.scenario.seed, key)
        target = rng.choice(self._world.scenario.targets)
        for _ in range(10):
            await asyncio.sleep(rng.expovariate(100))
            if self._acquire(fingerprint(target)):
                break
            await asyncio.sleep(0.2)
        else:
            return
        await asyncio.sleep(rng.expovariate(100))
        await self._count_or_create(rng, fingerprint(target))
        await asyncio.sleep(rng.expovariate(100))
        lease = self.call("GET", LEASES, lease_name(fingerprint(target)))
        await asyncio.sleep(rng.expovariate(100))
        if isinstance(lease, dict) and lease["spec"]["holderIdentity"] == self._actor:
            self.call("DELETE", LEASES, lease["metadata"]["name"], {})

    def _acquire(self, of: str) -> bool:
        name, now = lease_name(of), START + timedelta(seconds=self._world.loop.true_time + self._offset)
        spec = {"holderIdentity": self._actor, "leaseDurationSeconds": 30, "renewTime": micro_time(now)}
        lease = self.call("GET", LEASES, name)
        if not isinstance(lease, dict):
            body = {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": {"name": name}, "spec": spec}
            return isinstance(self.call("POST", LEASES, "", body), dict)
        if lease["spec"]["holderIdentity"] != self._actor:
            renewed = parse_rfc3339(lease["spec"]["renewTime"])
            if (now - renewed).total_seconds() < LOCK_DURATION_SECONDS:
                return False
        return isinstance(self.call("PUT", LEASES, name, lease | {"spec": spec}), dict)

    async def _count_or_create(self, rng: random.Random, of: str) -> None:
        found = [obj for obj in self._world.etcd.objects("remediationrequests") if fingerprint_of(obj) == of]
        standing = [obj for obj in found if active(obj)]
        await asyncio.sleep(rng.expovariate(100))
        if standing:
            self._count(standing[0])
            return
        self.call("POST", RRS, "", _request(f"rr-{of[:12]}-{rng.getrandbits(32):08x}", of))

    def _count(self, seen: Any) -> None:
        now = rfc3339(START + timedelta(seconds=self._world.loop.true_time + self._offset))
        known = (seen.get("status") or {}).get("deduplication") or {"occurrenceCount": 1, "firstSeenAt": now}
        counted = known | {"occurrenceCount": known.get("occurrenceCount", 0) + 1, "lastSeenAt": now}
        body = {
            "metadata": {"resourceVersion": seen["metadata"]["resourceVersion"]},
            "status": {"deduplication": counted},
        }
        self.call("PATCH", RRS, seen["metadata"]["name"], body, status=True)


def _request(name: str, of: str, *, called: str = "HighMemoryUsage") -> Any:
    spec = {"signalFingerprint": of, "signalName": called}
    return {"apiVersion": RRS.api_version, "kind": RRS.kind, "metadata": {"name": name}, "spec": spec}


def _age(obj: Any) -> tuple[str, str]:
    return obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]

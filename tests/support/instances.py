"""Gateway instances over an in-process API, with clocks that tests move."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from core.common.resilience import Deadline
from core.gateway import Gateway, build_gateway
from core.kube.client import path_of
from core.kube.resources import LEASES, Resource, remediation_requests
from core.kube.transport import ApiRequest
from core.metrics import Metrics
from core.protocol.lock import STATE_ANNOTATION
from core.settings import Settings
from core.signals.signal import Batch, NormalizedSignal, TargetResource
from tests.support.wire import MERGE_PATCH, Wire, deliver

if TYPE_CHECKING:
    from core.common.clock import MockClock
    from core.results import SignalResult

NAMESPACE = "sluice-system"
SHOP = "shop"
"""Where the workloads are: the gateway's own namespace is none of its business."""
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RRS = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")


def fingerprint(name: str = "web") -> str:
    """The fingerprint that `signal(name)` has."""
    return hashlib.sha256(name.encode()).hexdigest()


def signal(name: str = "web", *, of: str = "") -> NormalizedSignal:
    """A firing alert on pod `name`; `of` replaces its fingerprint."""
    return NormalizedSignal(
        fingerprint=of or fingerprint(name),
        signal_name="HighMemoryUsage",
        severity="critical",
        signal_type="prometheus-alert",
        target=TargetResource(kind="Pod", name=name, namespace="prod"),
        firing_time=START,
        received_time=START,
        labels={"alertname": "HighMemoryUsage"},
        payload=lambda: b"{}",
    )


class SkewedClock:
    """A machine whose wall clock is wrong by `offset`; its monotonic one stood still for `suspended` seconds."""

    def __init__(self, true: MockClock, offset: timedelta) -> None:
        self._true = true
        self._offset = offset
        self.suspended = 0.0

    def now(self) -> datetime:
        return self._true.now() + self._offset

    def monotonic(self) -> float:
        return self._true.monotonic() - self.suspended

    async def sleep(self, seconds: float) -> None:
        await self._true.sleep(seconds)


@dataclass
class Instance:
    """One gateway process, as far as the API can tell."""

    gateway: Gateway
    wire: Wire
    registry: CollectorRegistry

    async def post(self, *signals: NormalizedSignal, deadline: float = 8.0, digest: bytes = b"") -> list[SignalResult]:
        """Send signals as one webhook; one with the same digest is the same body."""
        limit = Deadline(clock=self.gateway.clock, seconds=deadline)
        return await self.gateway.pipeline.process(
            Batch(list(signals), "test"), digest=digest or random.randbytes(8), deadline=limit
        )

    @property
    def calls(self) -> list[str]:
        """What this instance has called so far."""
        return self.wire.log

    def metric(self, name: str, **labels: str) -> float:
        """A counter's value so far."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def suspend(self, seconds: float) -> None:
        """Let its machine have been suspended for so long (a virtual machine, a laptop)."""
        clock: Any = self.gateway.clock
        clock.suspended += seconds

    def restart(self) -> None:
        """Forget the calls written down so far."""
        self.wire.log.clear()


class World:
    """One API server, its clock, and the instances that talk to it."""

    def __init__(self, app: Any, clock: MockClock) -> None:
        self.app = app
        self.clock = clock
        self.instances: list[Instance] = []

    def instance(self, name: str = "", *, skew: timedelta = timedelta(0), **settings: Any) -> Instance:
        """Start an instance with settings of its own; nothing is shared with the others."""
        wire = Wire(self.app, take_turns=bool(name))
        registry = CollectorRegistry()
        gateway = build_gateway(
            settings=Settings(**({"namespace": NAMESPACE, "auth": "none", "owners": "as-named"} | settings)),
            transport=wire,
            metrics=Metrics(registry=registry),
            logger=logging.getLogger("sluice.test"),
            clock=SkewedClock(self.clock, skew),
            source_of_random=random.Random(f"{name} {len(self.instances)}"),
        )
        self.instances.append(Instance(gateway, wire, registry))
        return self.instances[-1]

    async def call(
        self,
        method: str,
        resource: Resource,
        name: str = "",
        subresource: str = "",
        *,
        namespace: str = NAMESPACE,
        **body: Any,
    ) -> Any:
        """Talk to the API as somebody else; returns the decoded body."""
        request = ApiRequest(
            method=method,
            path=path_of(resource, namespace=namespace, name=name, subresource=subresource),
            query={"fieldManager": "somebody-else"} if method in ("POST", "PUT", "PATCH") else {},
            body=json.dumps(body).encode() if body else None,
            content_type=MERGE_PATCH if method == "PATCH" else "application/json",
        )
        response = await deliver(self.app, request)
        assert response.status < 300, response.body
        return json.loads(response.body)

    async def rrs(self, of: str = "") -> list[Any]:
        """All RemediationRequests of a fingerprint, oldest first."""
        listed = await self.call("GET", RRS)
        mine = [item for item in listed["items"] if item["spec"]["signalFingerprint"] == (of or fingerprint())]
        return sorted(mine, key=lambda item: int(item["metadata"]["resourceVersion"]))

    async def only_rr(self, of: str = "") -> Any:
        """The one RemediationRequest of a fingerprint."""
        (rr,) = await self.rrs(of)
        return rr

    async def leases(self) -> list[Any]:
        """All Leases."""
        return list((await self.call("GET", LEASES))["items"])

    async def locks(self) -> list[str]:
        """What their holders last said of all Leases: `held`, `done` or `abandoned`."""
        annotations = [lease["metadata"].get("annotations", {}) for lease in await self.leases()]
        return [each.get(STATE_ANNOTATION, "").partition(" ")[0] for each in annotations]

    async def set_phase(self, phase: str, *, of: str = "") -> None:
        """Move the newest RR of a fingerprint to `phase`, as the orchestrator does."""
        newest = (await self.rrs(of))[-1]
        await self.call("PATCH", RRS, newest["metadata"]["name"], "status", status={"overallPhase": phase})

    async def delete_rr(self, *, of: str = "") -> None:
        """Delete the newest RR of a fingerprint by hand."""
        await self.call("DELETE", RRS, (await self.rrs(of))[-1]["metadata"]["name"])

    def pass_time(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self.clock.advance(timedelta(seconds=seconds))

    async def close(self) -> None:
        """Stop all instances."""
        for instance in self.instances:
            await instance.gateway.close()


def count(rr: Any) -> int:
    """The occurrences on a RemediationRequest."""
    return int(rr["status"]["deduplication"]["occurrenceCount"])


async def at_once(*posts: Any) -> list[list[SignalResult]]:
    """Run posts side by side."""
    return list(await asyncio.gather(*posts))

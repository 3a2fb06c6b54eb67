"""Gateway instances on either server, with their calls written down."""

from __future__ import annotations

import logging
import random
import ssl
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.gateway import Gateway, build_gateway
from core.kube.transport import HttpTransport, StaticToken
from core.metrics import Metrics
from core.settings import Settings
from core.signals.signal import Batch
from tests.support.wire import describe

if TYPE_CHECKING:
    from core.kube.transport import ApiRequest, ApiResponse
    from core.results import SignalResult
    from core.signals.signal import NormalizedSignal
    from tests.contract.client import Server

NEW = [
    "LIST remediationrequests",
    "CREATE leases",
    "CREATE remediationrequests",
    "UPDATE leases",
]


class Recorded(HttpTransport):
    """The real transport, with the calls written down."""

    calls: list[str]

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        self.calls.append(describe(request))
        return await super().send(request, timeout=timeout)


class Unhurried(RealClock):
    """Time that passes by sleeping alone: how long a machine takes for a step changes no call.

    The protocol looks again where its view has grown old, after two seconds, which a busy machine may take anywhere.
    """

    def __init__(self) -> None:
        self._slept = 0.0

    def monotonic(self) -> float:
        return self._slept

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self.go_on(seconds)

    def go_on(self, seconds: float) -> None:
        """Let time pass for this instance, and for nobody else."""
        self._slept += seconds


class Instance:
    """One gateway process, as far as the server can tell."""

    def __init__(self, server: Server, namespace: str, **settings: Any) -> None:
        transport = Recorded(
            server=server.admin.url,
            tls=server.admin.tls if isinstance(server.admin.tls, ssl.SSLContext) else None,
            tokens=StaticToken(server.admin.token),
            user_agent="sluice/test",
            connections=50,
            connect_timeout=40,  # as a function with this api_timeout waits: no test depends on speed
        )
        self.clock = Unhurried()
        self.calls: list[str] = []
        transport.calls = self.calls
        given: dict[str, Any] = {"namespace": namespace, "auth": "none", "owners": "as-named", "api_timeout": 60}
        given |= settings
        self.gateway: Gateway = build_gateway(
            settings=Settings(**given),
            transport=transport,
            metrics=Metrics(registry=CollectorRegistry()),
            logger=logging.getLogger("sluice.test"),
            clock=self.clock,
        )

    async def post(self, *signals: NormalizedSignal) -> list[SignalResult]:
        deadline = Deadline(clock=self.gateway.clock, seconds=600)
        digest = random.randbytes(8)
        return await self.gateway.pipeline.process(Batch(list(signals), "test"), digest=digest, deadline=deadline)

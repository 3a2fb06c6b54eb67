"""The real function's worker, on the simulation's way to the API servers."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from starlette.requests import Request

from core.gateway import Gateway, build_gateway
from core.metrics import Metrics
from core.settings import Settings
from core.signals.alertmanager import decode_alertmanager
from core.triggers.webhook import WebhookReceiver
from functions._request import Endpoint, RequestIntake
from functions._serving import Routes, handlers_over
from functions._worker import Worker

if TYPE_CHECKING:
    from core.common.clock import Clock
    from tests.simulation.scenario import Scenario
    from tests.simulation.wire import Wire
    from tests.simulation.world import World

NAMESPACE = "sluice-system"


class SimulatedWorker(Worker):
    """The worker of one incarnation, with its gateway at hand: the simulation has other ways to the API server."""

    given: Gateway

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.gateway = self._given

    async def _given(self) -> Gateway:
        return self.given


def settings_of(scenario: Scenario) -> Settings:
    """Return the settings of all pods of a run."""
    return Settings(
        namespace=NAMESPACE,
        auth="none",
        owners="as-named",
        reads=scenario.reads,
        first_count=scenario.first_count,
        cooldown=scenario.cooldown,
    )


def build_worker(world: World, wire: Wire, *, clock: Clock, seed: int) -> SimulatedWorker:
    """Return the worker of one incarnation, with a gateway that remembers nothing."""
    metrics = Metrics(registry=CollectorRegistry(auto_describe=False))
    worker = SimulatedWorker(settings=world.settings, metrics=metrics, logger=world.logger, clock=clock)
    worker.given = build_gateway(
        settings=world.settings,
        transport=wire,
        metrics=metrics,
        logger=world.logger,
        clock=clock,
        source_of_random=random.Random(seed),
    )
    return worker


def endpoint_of(worker: SimulatedWorker) -> Endpoint:
    """Return the alertmanager function over a worker."""
    receiver = WebhookReceiver(worker.given, decode=decode_alertmanager)
    intake = RequestIntake(gateway=worker.given, receiver=receiver)

    async def of_any_loop() -> RequestIntake:
        return intake

    handlers, fallback = handlers_over(worker, routes=Routes(), intake=of_any_loop)
    return Endpoint(worker=worker, handlers=handlers, fallback=fallback)


def request_of(body: bytes) -> Request:
    """Return a webhook as the framework hands it over."""
    incoming: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
    }
    return Request(scope, receive)


class BugHandler(logging.Handler):
    """Hears of errors that no code of ours foresaw, and of breakers."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("the circuit breaker for"):
            self._world.trace.state(f"breaker {record.getMessage().rpartition(' ')[2]}")
        if record.exc_info:
            self._world.judge.fail("no surprise", f"{record.getMessage()}: {record.exc_info[1]!r}")

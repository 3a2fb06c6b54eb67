"""A gateway inside a program of one's own: `connect` takes the place of a function."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from core.answers import Answer, problem
from core.common.clock import Deadline, RealClock
from core.errors import PayloadError, TransientError
from core.gateway import Gateway, build_gateway
from core.kube.access import find_access
from core.kube.errors import KubernetesError
from core.metrics import Metrics
from core.results import retry_after
from core.settings import Settings, load_settings
from core.signals.alertmanager import decode_alertmanager
from core.signals.rules import rules_in
from core.triggers.webhook import WebhookReceiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from core.common.clock import Clock


class Connected:
    """A gateway of the running event loop. `gateway` has its parts; `metrics` are its own."""

    def __init__(self, gateway: Gateway, *, metrics: CollectorRegistry) -> None:
        self.gateway = gateway
        self.metrics = metrics
        self._receiver = WebhookReceiver(gateway, decode=decode_alertmanager)

    async def receive(self, body: bytes, *, seconds: float | None = None) -> Answer:
        """Store the alerts of one Alertmanager webhook, and return what its sender is to be answered.

        The sender is not checked: that is the program's. No error is raised for what the body or the cluster is to
        blame for; the answer's status tells, as docs/answers.md lists: 2xx is stored or asks for nothing, 503 may work
        later, any other never.

        Args:
            body: Alertmanager's webhook, version 4, as JSON.
            seconds: until it is given up and answered 503; SLUICE_REQUEST_DEADLINE without.
        """
        gateway = self.gateway
        deadline = Deadline(clock=gateway.clock, seconds=seconds or gateway.settings.request_deadline)
        try:
            return await self._receiver.receive({}, body, deadline=deadline)
        except PayloadError as error:
            return problem(error.status, str(error))
        except (KubernetesError, TransientError) as error:
            return problem(503, str(error), retry_after=retry_after(error))


@asynccontextmanager
async def connect(
    *, settings: Settings | None = None, logger: logging.Logger | None = None, clock: Clock | None = None
) -> AsyncIterator[Connected]:
    """Connect to the cluster that SLUICE_API_SERVER, KUBECONFIG or the pod's service account names.

    Any number of programs and functions may do so at once: they agree through the cluster.

    Args:
        settings: instead of those of the environment.
        logger: gets what a function would log.
        clock: the time; for tests.

    Raises:
        ConfigurationError: a setting is wrong, or no cluster is named.
    """
    settings = settings or load_settings()
    logger = logger or logging.getLogger("sluice")
    clock = clock or RealClock()
    rules = rules_in(settings.rules)
    access = await find_access(settings, clock=clock, warn=logger.warning)
    registry = CollectorRegistry()
    metrics = Metrics(registry=registry)
    gateway = build_gateway(
        settings=settings,
        transport=access.transport(connections=settings.max_concurrent),
        metrics=metrics,
        logger=logger,
        clock=clock,
        rules=rules,
    )
    gateway.sweeper.start()
    try:
        yield Connected(gateway, metrics=registry)
    finally:
        await gateway.close()

"""A gateway inside a program of one's own: `connect` takes the place of a function."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from core.answers import Answer, problem
from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.common.trace_context import NO_TRACER, current_trace, sent_by, trace_of
from core.errors import PayloadError, TransientError
from core.gateway import Gateway, build_gateway
from core.kube.access import find_access
from core.kube.errors import KubernetesError
from core.logs import ONCE_A_SECOND
from core.metrics import Metrics
from core.results import retry_after
from core.settings import Settings, load_settings
from core.signals.alertmanager import decode_alertmanager
from core.signals.rules import rules_in
from core.triggers.webhook import WebhookReceiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from core.common.clock import Clock
    from core.common.trace_context import Tracer

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Connected:
    """A gateway of the running event loop. `gateway` has its parts; `metrics` are its own."""

    def __init__(self, gateway: Gateway, *, metrics: CollectorRegistry) -> None:
        self.gateway = gateway
        self.metrics = metrics
        self._receiver = WebhookReceiver(gateway, decode=decode_alertmanager)

    async def receive(
        self,
        body: bytes,
        *,
        seconds: float | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        sender: str = "",
    ) -> Answer:
        """Store the alerts of one Alertmanager webhook, and return what its sender is to be answered.

        The sender is not checked: that is the program's. No error is raised for what the body or the cluster is to
        blame for; the answer's status tells, as docs/answers.md lists: 2xx is stored or asks for nothing, 503 may work
        later, any other never.

        Args:
            body: Alertmanager's webhook, version 4, as JSON.
            seconds: until it is given up and answered 503; SLUICE_REQUEST_DEADLINE without.
            headers: of the request that brought it, names in lower case or any: its trace (`traceparent`,
                `tracestate`) is gone on with, and SLUICE_PROFILE=kubernaut looks for `x-timestamp`.
            sender: who sent it, as the program knows it; stands on the RR that it creates.
        """
        gateway = self.gateway
        deadline = Deadline(clock=gateway.clock, seconds=seconds or gateway.settings.request_deadline)
        caller = trace_of(headers)
        with gateway.tracer.span("receive", kind="server", caller=caller) as span, sent_by(sender):
            token = current_trace.set(span.context or caller)
            try:
                given = await self._answered(headers, body, deadline)
            finally:
                current_trace.reset(token)
            span.describe({"http.response.status_code": given.status})
            if given.status >= 500:
                span.fail(f"answered {given.status}")
        return given

    async def _answered(self, headers: Mapping[str, str], body: bytes, deadline: Deadline) -> Answer:
        try:
            return await self._receiver.receive(headers, body, deadline=deadline)
        except PayloadError as error:
            return problem(error.status, error.told)
        except (KubernetesError, TransientError) as error:
            # Its sentence says it all, and the answer may go on to a stranger.
            self.gateway.logger.error("a webhook has to be sent again: %s", error, extra=ONCE_A_SECOND)  # noqa: TRY400
            return problem(503, error.told, retry_after=retry_after(error))


@asynccontextmanager
async def connect(
    *,
    settings: Settings | None = None,
    logger: logging.Logger | None = None,
    clock: Clock | None = None,
    tracer: Tracer = NO_TRACER,
) -> AsyncIterator[Connected]:
    """Connect to the cluster that SLUICE_API_SERVER, KUBECONFIG or the pod's service account names.

    Any number of programs and functions may do so at once: they agree through the cluster.

    Args:
        settings: instead of those of the environment.
        logger: gets what a function would log.
        clock: the time; for tests.
        tracer: makes spans, such as core.tracing.open_tracer's; whoever brings it closes it.

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
        transport=access.transport(connections=settings.max_concurrent, call_timeout=settings.api_timeout),
        metrics=metrics,
        logger=logger,
        clock=clock,
        rules=rules,
        tracer=tracer,
    )
    gateway.sweeper.start()
    try:
        yield Connected(gateway, metrics=registry)
    finally:
        await gateway.close()

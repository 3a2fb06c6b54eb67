"""Puts the parts together: the only place that knows them all."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from core.admission.assembly import build_gate
from core.common.clock import Clock, RealClock
from core.common.resilience import BreakerState, ByteBudget, CircuitBreaker
from core.common.trace_context import NO_TRACER
from core.kube.client import KubeClient
from core.kube.resources import Resource, remediation_requests
from core.pipeline import EarlierDeliveries, Judgement, Pipeline
from core.protocol.creator import CRDCreator, LoggingObserver
from core.protocol.lease import LeaseStore
from core.protocol.lock import DistributedLockManager, LeaseSweeper
from core.protocol.placement import PhaseBasedDeduplicationChecker, Placement, attempt_id
from core.protocol.recorder import Recorder, RemediationRequestMemory, Rounds
from core.protocol.remediation_request import RemediationRequestBuilder
from core.protocol.rr_events import RREventWriter
from core.protocol.status import StatusUpdater
from core.readiness import Readiness
from core.reporting import Notices, Reporter
from core.signals.rules import Rules, default_rules
from core.workloads.clusters import Clusters
from core.workloads.kinds import Kinds
from core.workloads.ownership import MetadataReader, OwnerResolver
from core.workloads.qualification import OwnDoing, Qualification, TargetFinder
from core.workloads.scope import Scope, Silence

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from core.admission.gate import BearerGate
    from core.audit import AuditTrail
    from core.common.resilience import Deadline
    from core.common.trace_context import Tracer
    from core.kube.transport import Transport
    from core.metrics import Metrics
    from core.settings import Settings

_REMEMBERED_ALERTS = 50_000


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Gateway:
    """One instance: what a function calls. Without a `gate` everybody may send (SLUICE_AUTH=none)."""

    settings: Settings
    clock: Clock
    client: KubeClient
    resource: Resource
    gate: BearerGate | None
    bodies: ByteBudget
    rounds: Rounds
    pipeline: Pipeline
    rules: Rules
    sweeper: LeaseSweeper
    readiness: Readiness
    logger: logging.Logger
    tracer: Tracer
    clusters: Clusters
    metrics: Metrics
    rr_events: RREventWriter | None = None
    audit: AuditTrail | None = None

    async def check_ready(self, *, deadline: Deadline) -> None:
        """Return where signals can be stored; raises KubernetesError or TransientError with what is missing."""
        await self.readiness.check(deadline=deadline)

    async def close(self) -> None:
        """Let rounds in flight end, then close all connections."""
        await self.rounds.drain()
        if self.rr_events:
            await self.rr_events.drain()
        if self.audit:
            await self.audit.close()
        await self.sweeper.stop()
        await self.client.close()


def build_gateway(
    *,
    settings: Settings,
    transport: Transport,
    metrics: Metrics,
    logger: logging.Logger,
    clock: Clock | None = None,
    source_of_random: random.Random | None = None,
    rules: Rules | None = None,
    tracer: Tracer = NO_TRACER,
) -> Gateway:
    """Assemble an instance over a transport; tests and the simulation bring their own clock and random.

    A function gives the `rules` that it read at its start; None: those that are built in. Whoever brings a `tracer`
    closes it.
    """
    clock = clock or RealClock()
    metrics.follow(settings.profile)
    # Not for secrets: jitter, attempt ids and the mark in lastSeenAt.
    rng = source_of_random or random.Random()  # noqa: S311
    resource = remediation_requests(group=settings.group, version=settings.version)
    namespace = settings.namespace
    client = KubeClient(
        transport=transport,
        breaker=_breaker(settings, metrics, logger, clock),
        call_timeout=settings.api_timeout,
        bytes_in_flight=settings.body_budget,
        observe=metrics.called,
        tracer=tracer,
    )
    store = LeaseStore(client=client, namespace=namespace, clock=clock)
    locks = DistributedLockManager(store=store)
    sweeper = LeaseSweeper(store=store, locks=locks, clock=clock)
    placement = Placement(
        checker=PhaseBasedDeduplicationChecker(
            client=client, resource=resource, namespace=namespace, clock=clock, cooldown=settings.cooldown
        ),
        locks=locks,
        sweeper=sweeper,
        creator=CRDCreator(
            client=client,
            builder=RemediationRequestBuilder(
                resource=resource, namespace=namespace, payload_encoding=settings.payload_encoding
            ),
            clock=clock,
            random=rng.random,
            observer=LoggingObserver(logger=logger),
            metrics=metrics,
            cooldown=settings.cooldown,
        ),
        clock=clock,
        random=rng.random,
        new_id=partial(attempt_id, rng.getrandbits),
        consistent_reads=settings.reads == "consistent",
        metrics=metrics,
        tracer=tracer,
    )
    rr_events = None
    if settings.rr_events == "write":
        apart = KubeClient(
            transport=transport,
            breaker=CircuitBreaker(clock=clock),
            call_timeout=settings.api_timeout,
            observe=metrics.called,
            tracer=tracer,
        )
        rr_events = RREventWriter(
            client=apart, resource=resource, clock=clock, logger=logger, seconds=settings.api_timeout
        )
    audit = _audit(settings, metrics, logger, clock, rng) if settings.audit_sink else None
    recorder = Recorder(
        listeners=[part.created for part in (rr_events, audit) if part],
        placement=placement,
        status=StatusUpdater(
            client=client, resource=resource, clock=clock, random=rng.random, cooldown=settings.cooldown
        ),
        memory=RemediationRequestMemory(clock=clock, capacity=settings.memory_rrs),
        write_first_count=settings.first_count == "written",
        tells_resolved=settings.resolved == "condition",
        namespace=namespace,
        clock=clock,
    )
    clusters = Clusters(own=settings.cluster, count=metrics.foreign, warn=logger.warning)
    rounds = Rounds(
        record=recorder.record,
        max_concurrent=settings.max_concurrent,
        clock=clock,
        random=rng.random,
        observe=metrics.round_ended,
        tracer=tracer,
    )
    return Gateway(
        settings=settings,
        clock=clock,
        client=client,
        resource=resource,
        gate=build_gate(settings=settings, client=client, resource=resource, clock=clock, warn=logger.warning),
        bodies=ByteBudget(limit=max(settings.body_budget, settings.max_body), observe=metrics.body_bytes.set),
        rounds=rounds,
        sweeper=sweeper,
        rules=(rules or default_rules()).told_to(metrics.matched),
        readiness=Readiness(client=client, resource=resource, namespace=namespace, clock=clock),
        pipeline=Pipeline(
            qualification=build_qualification(
                settings=settings, client=client, metrics=metrics, clock=clock, clusters=clusters, warn=logger.warning
            ),
            rounds=rounds,
            earlier_deliveries=EarlierDeliveries(clock=clock, capacity=_REMEMBERED_ALERTS),
            reporter=Reporter(metrics=metrics, logger=logger, notices=Notices(clock=clock), clock=clock, audit=audit),
            judgement=Judgement.by(settings),
            tracer=tracer,
        ),
        logger=logger,
        tracer=tracer,
        clusters=clusters,
        metrics=metrics,
        rr_events=rr_events,
        audit=audit,
    )


def _audit(
    settings: Settings, metrics: Metrics, logger: logging.Logger, clock: Clock, rng: random.Random
) -> AuditTrail:
    from core.audit import AuditTrail  # noqa: PLC0415 - nobody else pays for it

    return AuditTrail(
        sink=settings.audit_sink,
        batch=settings.audit_batch,
        source=f"/sluice/{settings.namespace}",
        clock=clock,
        rng=rng,
        metrics=metrics,
        logger=logger,
    )


def build_qualification(
    *,
    settings: Settings,
    client: KubeClient | None,
    metrics: Metrics,
    clock: Clock,
    clusters: Clusters | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> Qualification:
    """Assemble what looks up targets; without a client nothing is looked up, whatever the settings say.

    With `clusters` None nobody is told of other clusters; `warn` gets sentences about what people wrote on objects.
    """
    finder = owners = scope = silence = None
    kinds = Kinds(client=client if settings.owners == "resolve" or settings.scope_label else None, clock=clock)
    if client is not None:
        reader = MetadataReader(client=client, kinds=kinds, clock=clock)
        if settings.owners == "resolve":
            finder = TargetFinder(reader=reader, kinds=kinds, remember=settings.owner_cache)
            owners = OwnerResolver(reader=reader, remember=settings.owner_cache, metrics=metrics)
        if settings.scope_label:
            scope = Scope(label=settings.scope_label, reader=reader)
        if owners or scope:
            silence = Silence(reader=reader, clock=clock, whole=scope is not None, warn=warn)
    return Qualification(
        own=OwnDoing(group=settings.group, namespaces=settings.own_namespaces),
        kinds=kinds,
        finder=finder,
        owners=owners,
        scope=scope,
        silence=silence,
        clusters=clusters or Clusters(own=settings.cluster),
        owner_is_target=settings.target == "owner",
        max_concurrent=settings.max_concurrent,
    )


def _breaker(settings: Settings, metrics: Metrics, logger: logging.Logger, clock: Clock) -> CircuitBreaker:
    name = "k8s-api" if settings.profile == "kubernaut" else "kubernetes-api"
    gauge = metrics.breaker_state.labels(name=name)
    gauge.set(BreakerState.CLOSED)

    def on_change(state: BreakerState) -> None:
        gauge.set(state)
        logger.warning("the circuit breaker for the Kubernetes API is %s", state.name.lower().replace("_", "-"))

    return CircuitBreaker(clock=clock, open_seconds=settings.breaker_open, on_change=on_change)

"""Kubernetes Events: read where only a reference came, known by uid and count when they come again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from core.kube.errors import NotFoundError
from core.kube.resources import CORE_EVENTS, EVENTS
from core.results import Status
from core.signals.kubernetes_event import (
    SOURCE,
    EventReader,
    EventReference,
    is_of_api_server_source,
    occurrence_of,
    open_cloud_event,
    whole_event,
)
from core.signals.pubsub import form_of
from core.signals.signal import Batch, Entry, Ignored
from core.triggers.contents import open_content, reader_over
from core.triggers.redeliveries import Redeliveries

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.gateway import Gateway
    from core.kube.client import KubeClient
    from core.pipeline import Pipeline
    from core.results import SignalResult
    from core.signals.pubsub import ContentReader
    from core.signals.rules import Rules
    from core.triggers.cloud_events import CloudEvent
    from core.triggers.contents import Content

_WANTED = "dev.knative.apiserver.resource.* or dev.knative.apiserver.ref.*, as an ApiServerSource does"


class KubernetesEventIntake:
    """Takes what an ApiServerSource sends, in either of its modes, and CloudEvents that carry what is known otherwise.

    Args:
        client: reads the Events that are only referred to.
        pipeline: stores signals.
        redeliveries: what was stored a moment ago.
        clock: tells how old an Event is.
        max_age: seconds after which an Event is old.
        rules: decide about Events.
        reader: makes the reader of other contents.
    """

    def __init__(
        self,
        *,
        client: KubeClient,
        pipeline: Pipeline,
        redeliveries: Redeliveries,
        clock: Clock,
        max_age: float,
        rules: Rules,
        reader: Callable[[], ContentReader],
    ) -> None:
        self._rules = rules
        self._reader = reader
        self._client = client
        self._pipeline = pipeline
        self._redeliveries = redeliveries
        self._clock = clock
        self._max_age = max_age

    @classmethod
    def over(cls, gateway: Gateway) -> Self:
        """Return the intake of an instance."""
        return cls(
            client=gateway.client,
            pipeline=gateway.pipeline,
            redeliveries=Redeliveries(clock=gateway.clock),
            clock=gateway.clock,
            max_age=gateway.settings.event_max_age,
            rules=gateway.rules,
            reader=reader_over(gateway),
        )

    async def close(self) -> None:
        """Nothing is held open here."""

    async def receive(self, event: CloudEvent, *, deadline: Deadline) -> list[SignalResult]:
        """Store the signals in a CloudEvent; one result where it carries an Event.

        Raises:
            PayloadError: it can never work.
            KubernetesError, TransientError: the Event it refers to could not be read now.
        """
        if is_of_api_server_source(event.type):
            opened = open_cloud_event(event.type, event.data)
        elif isinstance(event.data, dict) and form_of(event.data) == "event":
            opened = whole_event(event.data)
        else:
            return await self._store_content(open_content(event, wanted=_WANTED), deadline)
        if isinstance(opened, EventReference):
            opened = await self._read(opened, deadline)
        if isinstance(opened, Ignored):
            return await self._process(opened, b"", deadline)
        return await self.store(opened, deadline=deadline)

    async def store(self, event: dict[str, Any], *, deadline: Deadline) -> list[SignalResult]:
        """Store the signal in an Event; one result.

        Raises:
            KubernetesError, TransientError: it could not be stored now.
        """
        occurrence = occurrence_of(event)
        entry = self._entry(event, occurrence)
        results = await self._process(entry, occurrence, deadline)
        if all(result.stored for result in results):
            self._redeliveries.remember(occurrence)
        return results

    async def _store_content(self, content: Content, deadline: Deadline) -> list[SignalResult]:
        """Store the signals of other contents than an Event: a Broker carries any sender's CloudEvents."""
        if self._redeliveries.known(content.key):
            return await self._process(Ignored("redelivered"), b"", deadline)
        batch = self._reader().read(content.data(), provenance=content.provenance)
        results = await self._pipeline.process(batch, digest=content.key, deadline=deadline)
        if not any(result.status is Status.FAILED for result in results):
            self._redeliveries.remember(content.key)
        return results

    def _entry(self, event: dict[str, Any], occurrence: bytes) -> Entry:
        if self._redeliveries.known(occurrence):
            return Ignored("redelivered")
        return EventReader(self._clock.now(), self._max_age, self._rules).read(event)

    async def _read(self, reference: EventReference, deadline: Deadline) -> dict[str, Any] | Ignored:
        resource = CORE_EVENTS if reference.api_version == "v1" else EVENTS
        try:
            reply = await self._client.get(
                resource, namespace=reference.namespace, name=reference.name, deadline=deadline
            )
        except NotFoundError:
            return Ignored("event_gone")
        return reply.obj

    async def _process(self, entry: Entry, digest: bytes, deadline: Deadline) -> list[SignalResult]:
        return await self._pipeline.process(Batch([entry], SOURCE), digest=digest, deadline=deadline)

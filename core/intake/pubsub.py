"""Pub/Sub messages: stored, or put aside and acknowledged, for only 2xx ends their redelivery."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Self

from core.adapters.pubsub import ContentReader, PubSubMessage, open_message
from core.errors import PayloadError
from core.intake.dead_letters import DeadLetters, PubSubPublisher
from core.intake.redeliveries import Redeliveries
from core.models.batch import Batch, Ignored, Poison
from core.models.result import Status

if TYPE_CHECKING:
    from core.clock import Clock, Deadline
    from core.gateway import Gateway
    from core.models.cloud_event import CloudEvent
    from core.models.result import SignalResult
    from core.pipeline import Pipeline

SOURCE = "pubsub"


class PubSubIntake:
    """Takes the messages of a subscription."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        redeliveries: Redeliveries,
        dead_letters: DeadLetters,
        clock: Clock,
        signal_type: str,
        event_max_age: float,
    ) -> None:
        self._pipeline = pipeline
        self._redeliveries = redeliveries
        self._dead_letters = dead_letters
        self._clock = clock
        self._signal_type = signal_type
        self._event_max_age = event_max_age

    @classmethod
    def over(cls, gateway: Gateway) -> Self:
        """Return the intake of an instance."""
        settings = gateway.settings
        publisher = PubSubPublisher(topic=settings.dead_letter_topic) if settings.dead_letter_topic else None
        return cls(
            pipeline=gateway.pipeline,
            redeliveries=Redeliveries(clock=gateway.clock),
            dead_letters=DeadLetters(publisher=publisher, logger=gateway.logger),
            clock=gateway.clock,
            signal_type=settings.signal_type,
            event_max_age=settings.event_max_age,
        )

    async def close(self) -> None:
        """Close the connection to the dead letter topic."""
        await self._dead_letters.close()

    async def receive(self, event: CloudEvent, *, deadline: Deadline) -> list[SignalResult]:
        """Store the signals of a message; what can never work is put aside.

        Raises:
            KubernetesError, TransientError: something could not be stored or put aside now.
        """
        try:
            message = open_message(event.type, event.data)
        except PayloadError as error:
            return await self._poisoned(error, event, deadline)
        key = hashlib.sha256(f"{event.source}/{message.message_id}".encode()).digest() if message.message_id else b""
        if self._redeliveries.known(key):
            return await self._process(Batch([Ignored("redelivered")], SOURCE), key, deadline)
        try:
            batch = self._read(message)
        except PayloadError as error:
            return await self._poisoned(error, event, deadline)
        results = await self._process(batch, key, deadline)
        if poison := [result.error for result in results if result.status is Status.INVALID]:
            await self._dead_letters.put(event, reasons=poison, deadline=deadline)
        if not any(result.status is Status.FAILED for result in results):
            self._redeliveries.remember(key)
        return results

    def _read(self, message: PubSubMessage) -> Batch:
        reader = ContentReader(
            received_time=self._clock.now(), signal_type=self._signal_type, event_max_age=self._event_max_age
        )
        return reader.read(message.content(), provenance=message.provenance)

    async def _poisoned(self, error: PayloadError, event: CloudEvent, deadline: Deadline) -> list[SignalResult]:
        await self._dead_letters.put(event, reasons=[str(error)], deadline=deadline)
        return await self._process(Batch([Poison(error.reason, str(error))], SOURCE), b"", deadline)

    async def _process(self, batch: Batch, digest: bytes, deadline: Deadline) -> list[SignalResult]:
        return await self._pipeline.process(batch, digest=digest, deadline=deadline)

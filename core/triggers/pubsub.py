"""Pub/Sub messages: stored, or put aside and acknowledged, for only 2xx ends their redelivery."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Self

from core.errors import PayloadError
from core.results import Status
from core.signals.pubsub import ContentReader, PubSubMessage, open_message
from core.signals.signal import Batch, Ignored, Poison
from core.triggers.dead_letters import DeadLetters, PubSubPublisher
from core.triggers.redeliveries import Redeliveries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.common.clock import Clock, Deadline
    from core.gateway import Gateway
    from core.pipeline import Pipeline
    from core.results import SignalResult
    from core.signals.rules import Rules
    from core.triggers.cloud_events import CloudEvent

SOURCE = "pubsub"
REASONS = 20
"""Told with a message that is put aside; it holds many thousands of alerts at most."""


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
        max_alerts: int,
        untargeted: str = "ignore",
        rules: Rules,
    ) -> None:
        self._rules = rules
        self._pipeline = pipeline
        self._redeliveries = redeliveries
        self._dead_letters = dead_letters
        self._clock = clock
        self._signal_type = signal_type
        self._event_max_age = event_max_age
        self._max_alerts = max_alerts
        self._untargeted = untargeted

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
            max_alerts=settings.max_alerts,
            untargeted=settings.untargeted,
            rules=gateway.rules,
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
            return await self._poisoned(error, event, deadline, key=b"")
        key = _key(event, message)
        if self._redeliveries.known(key):
            await self._put_aside(event, self._redeliveries.owed(key), key, deadline)
            return await self._process(Batch([Ignored("redelivered")], SOURCE), key, deadline)
        try:
            batch = self._read(message)
        except PayloadError as error:
            return await self._poisoned(error, event, deadline, key=key)
        results = await self._process(batch, key, deadline)
        if any(result.status is Status.FAILED for result in results):
            return results  # it comes again, poison and all
        await self._put_aside(event, _reasons(results), key, deadline)
        return results

    def _read(self, message: PubSubMessage) -> Batch:
        reader = ContentReader(
            received_time=self._clock.now(),
            signal_type=self._signal_type,
            event_max_age=self._event_max_age,
            max_alerts=self._max_alerts,
            untargeted=self._untargeted,
            rules=self._rules,
        )
        return reader.read(message.content(), provenance=message.provenance)

    async def _poisoned(
        self, error: PayloadError, event: CloudEvent, deadline: Deadline, *, key: bytes
    ) -> list[SignalResult]:
        await self._dead_letters.put(event, reasons=[str(error)], deadline=deadline)
        self._redeliveries.remember(key)
        return await self._process(Batch([Poison(error.reason, str(error))], SOURCE), b"", deadline)

    async def _put_aside(self, event: CloudEvent, reasons: Sequence[str], key: bytes, deadline: Deadline) -> None:
        """Put the poison of a message aside, whose other signals are stored: they are not to be counted again."""
        self._redeliveries.remember(key, owed=reasons)
        if reasons:
            await self._dead_letters.put(event, reasons=reasons, deadline=deadline)
            self._redeliveries.remember(key)

    async def _process(self, batch: Batch, digest: bytes, deadline: Deadline) -> list[SignalResult]:
        return await self._pipeline.process(batch, digest=digest, deadline=deadline)


def _reasons(results: Sequence[SignalResult]) -> list[str]:
    """Return why parts of a message can never work: a few of the sentences, and how many there are beyond."""
    reasons = [result.error for result in results if result.status is Status.INVALID]
    more = len(reasons) - REASONS
    return reasons if more <= 0 else [*reasons[:REASONS], f"and {more} more"]


def _key(event: CloudEvent, message: PubSubMessage) -> bytes:
    """What a message is known by when it is delivered again; nothing where it has no id."""
    return hashlib.sha256(f"{event.source}/{message.message_id}".encode()).digest() if message.message_id else b""

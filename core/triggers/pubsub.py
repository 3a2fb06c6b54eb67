"""Pub/Sub messages: stored, or put aside and acknowledged, for only 2xx ends their redelivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from core.errors import PayloadError
from core.results import Status
from core.signals.pubsub import MESSAGE_PUBLISHED
from core.signals.signal import Batch, Ignored, Poison
from core.triggers.contents import open_content, reader_over
from core.triggers.dead_letter_topic import DeadLetterTopic, PubSubPublisher
from core.triggers.redeliveries import Redeliveries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.common.resilience import Deadline
    from core.gateway import Gateway
    from core.pipeline import Pipeline
    from core.results import SignalResult
    from core.signals.pubsub import ContentReader
    from core.triggers.cloud_events import CloudEvent

SOURCE = "pubsub"
MOST_REASONS = 20
"""Sentences that go with a message that is put aside; it may hold many thousands of alerts."""


class PubSubIntake:
    """Takes the messages of a subscription, and CloudEvents of other types that carry the same."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        redeliveries: Redeliveries,
        dead_letters: DeadLetterTopic,
        reader: Callable[[], ContentReader],
    ) -> None:
        self._pipeline = pipeline
        self._redeliveries = redeliveries
        self._dead_letters = dead_letters
        self._reader = reader

    @classmethod
    def over(cls, gateway: Gateway) -> Self:
        """Return the intake of an instance."""
        settings = gateway.settings
        publisher = PubSubPublisher(topic=settings.dead_letter_topic) if settings.dead_letter_topic else None
        return cls(
            pipeline=gateway.pipeline,
            redeliveries=Redeliveries(clock=gateway.clock),
            dead_letters=DeadLetterTopic(publisher=publisher, logger=gateway.logger),
            reader=reader_over(gateway),
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
            content = open_content(event, wanted=MESSAGE_PUBLISHED)
        except PayloadError as error:
            return await self._poisoned(error, event, deadline, key=b"")
        key = content.key
        if self._redeliveries.known(key):
            await self._put_aside(event, self._redeliveries.owed(key), key, deadline)
            return await self._process(Batch([Ignored("redelivered")], SOURCE), key, deadline)
        try:
            batch = self._reader().read(content.data(), provenance=content.provenance)
        except PayloadError as error:
            return await self._poisoned(error, event, deadline, key=key)
        results = await self._process(batch, key, deadline)
        if any(result.status is Status.FAILED for result in results):
            return results  # the message comes again, its poison included
        await self._put_aside(event, _reasons(results), key, deadline)
        return results

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
    more = len(reasons) - MOST_REASONS
    return reasons if more <= 0 else [*reasons[:MOST_REASONS], f"and {more} more"]

"""Where messages go that can never work: the log, and a Pub/Sub topic if one is set."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import to_json

from core.errors import TransientError

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence

    from core.clock import Deadline
    from core.models.cloud_event import CloudEvent

EMULATOR = "PUBSUB_EMULATOR_HOST"
_ATTRIBUTE_BYTES = 1024  # Pub/Sub's limit of an attribute's value
_RETRY_AFTER = 5.0


class Publisher(Protocol):
    """Publishes one message."""

    async def publish(self, data: bytes, attributes: Mapping[str, str], *, timeout: float) -> None:
        """Publish, or raise TransientError."""

    async def close(self) -> None:
        """Close the connection, if there is one."""


class DeadLetters:
    """Logs a message in full, and publishes it where there is a publisher."""

    def __init__(self, *, publisher: Publisher | None, logger: logging.Logger) -> None:
        self._publisher = publisher
        self._logger = logger

    async def put(self, event: CloudEvent, *, reasons: Sequence[str], deadline: Deadline) -> None:
        """Put a CloudEvent aside.

        Raises:
            TransientError: it could not be published; the sender must keep it.
        """
        self._logger.error(
            "a message can never work and is put aside: %s",
            "; ".join(reasons),
            extra={"event_id": event.id, "event_type": event.type, "event_source": event.source, "data": event.data},
        )
        if self._publisher is None:
            return
        attributes = {
            "reason": "; ".join(reasons).encode()[:_ATTRIBUTE_BYTES].decode(errors="ignore"),
            "ce-id": event.id,
            "ce-type": event.type,
            "ce-source": event.source,
        }
        data = to_json(event.data, inf_nan_mode="strings", fallback=str)
        await self._publisher.publish(data, attributes, timeout=deadline.remaining())

    async def close(self) -> None:
        """Close the publisher's connection."""
        if self._publisher is not None:
            await self._publisher.close()


class PubSubPublisher:
    """Publishes to one topic with the credentials of the environment (google-auth).

    Args:
        topic: `projects/P/topics/T`.
    """

    def __init__(self, *, topic: str) -> None:
        self._topic = topic
        self._client: Any = None

    async def publish(self, data: bytes, attributes: Mapping[str, str], *, timeout: float) -> None:
        """Publish one message; seconds until it is given up."""
        # Half a second of imports that only poison needs.
        from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

        message = {"data": data, "attributes": dict(attributes)}
        try:
            self._client = self._client or _connect()
            await self._client.publish(topic=self._topic, messages=[message], timeout=timeout, retry=None)
        except (GoogleAPIError, GoogleAuthError) as error:
            raise TransientError(
                f"a dead letter could not be published to {self._topic}: {error}", retry_after=_RETRY_AFTER
            ) from error

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._client is not None:
            await self._client.transport.close()


def _connect() -> Any:
    from google.pubsub_v1 import PublisherAsyncClient  # noqa: PLC0415

    emulator = os.environ.get(EMULATOR)
    if not emulator:
        return PublisherAsyncClient()
    import grpc  # noqa: PLC0415
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport  # noqa: PLC0415

    return PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(emulator)))

"""Where messages go that can never work: their beginning to the log, the whole to a Pub/Sub topic if one is set."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import to_json

from core.common.text import cut_utf8, excerpt
from core.errors import DeadlineExceededError, PayloadError, TransientError

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence

    from core.common.resilience import Deadline
    from core.triggers.cloud_events import CloudEvent

EMULATOR = "PUBSUB_EMULATOR_HOST"
_ATTRIBUTE_BYTES = 1024  # Pub/Sub's limit of an attribute's value
_LOGGED_BYTES = 4000
_RETRY_AFTER = 5.0


class Publisher(Protocol):
    """Publishes one message."""

    async def publish(self, data: bytes, attributes: Mapping[str, str], *, timeout: float) -> None:
        """Publish, or raise TransientError; PayloadError where no later try can publish it."""

    async def close(self) -> None:
        """Close the connection, if there is one."""


class DeadLetterTopic:
    """Logs a message's beginning, and publishes it whole where there is a publisher."""

    def __init__(self, *, publisher: Publisher | None, logger: logging.Logger) -> None:
        self._publisher = publisher
        self._logger = logger

    async def put(self, event: CloudEvent, *, reasons: Sequence[str], deadline: Deadline) -> None:
        """Put a CloudEvent aside.

        Raises:
            TransientError: it could not be published; the sender must keep it.
        """
        data = _writable(event.data)
        self._logger.error(
            "a message can never work and is put aside: %s",
            "; ".join(reasons),
            extra={"event_id": event.id, "event_type": event.type, "event_source": event.source, "data": _short(data)},
        )
        if self._publisher is None:
            return
        about = {"reason": "; ".join(reasons), "ce-id": event.id, "ce-type": event.type, "ce-source": event.source}
        attributes = {key: cut_utf8(value, limit=_ATTRIBUTE_BYTES) for key, value in about.items()}
        timeout = deadline.remaining()
        if timeout <= 0:  # for Google's client, 0 means no limit
            raise DeadlineExceededError("no time was left to publish a dead letter")
        try:
            await self._publisher.publish(_json(data), attributes, timeout=timeout)
        except PayloadError as error:
            self._logger.error("this log line is all that is kept of the message: %s", error)  # noqa: TRY400

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
        from google.api_core.exceptions import GoogleAPIError, InvalidArgument  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

        message = {"data": data, "attributes": dict(attributes)}
        try:
            self._client = self._client or _connect()
            await self._client.publish(topic=self._topic, messages=[message], timeout=timeout, retry=None)
        except InvalidArgument as error:  # it is too large: sent again, it would come back for ever
            raise PayloadError(f"{self._topic} does not take this message: {error}", reason="unpublishable") from error
        except (GoogleAPIError, GoogleAuthError) as error:
            raise TransientError(
                f"a dead letter could not be published to {self._topic}: {error}",
                retry_after=_RETRY_AFTER,
                told=f"a dead letter could not be published to {self._topic}; the gateway's log says why",
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


def _writable(data: object) -> object:
    """Return `data`, or a text that says as much where JSON in UTF-8 cannot hold it."""
    try:
        _json(data)
    except ValueError:  # bytes that are not UTF-8, half a surrogate pair, or too many levels
        pass
    else:
        return data
    if isinstance(data, bytes):
        return data.decode(errors="backslashreplace")
    try:
        return json.dumps(data)
    except RecursionError:
        return excerpt(data)


def _short(data: object) -> object:
    """Return `data`, or its beginning where it is too long for a log line; a topic gets all of it."""
    written = _json(data)
    if len(written) <= _LOGGED_BYTES:
        return data
    return f"{cut_utf8(written.decode(), limit=_LOGGED_BYTES)}... (cut, {len(written)} bytes)"


def _json(data: object) -> bytes:
    return to_json(data, inf_nan_mode="strings")

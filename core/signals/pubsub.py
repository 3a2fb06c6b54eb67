"""Pub/Sub messages: what Eventarc wraps them in, and what they may carry."""

from __future__ import annotations

import binascii
import dataclasses
import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from core.common.text import cut_utf8, describe_invalid, excerpt
from core.errors import PayloadError
from core.signals import alertmanager, cloud_monitoring
from core.signals.kubernetes_event import SOURCE as EVENT_SOURCE
from core.signals.kubernetes_event import EventReader
from core.signals.rules import Rules, default_rules
from core.signals.signal import CLUSTER_LABELS, Batch, Entry, NormalizedSignal, Unread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

MESSAGE_PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
MESSAGE_ID_ANNOTATION = "gateway.kubernaut.ai/pubsub-message-id"
PUBLISH_TIME_ANNOTATION = "gateway.kubernaut.ai/pubsub-publish-time"

_PROVENANCE_BYTES = 253


class PubSubMessage(BaseModel):
    """`data.message` of the CloudEvent (google.events.cloud.pubsub.v1.MessagePublishedData)."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    data: str = ""
    attributes: dict[str, str] | None = None
    message_id: str = Field("", alias="messageId")
    publish_time: str = Field("", alias="publishTime")

    @property
    def provenance(self) -> dict[str, str]:
        """Annotations that lead from an RR back to the message."""
        known = {MESSAGE_ID_ANNOTATION: self.message_id, PUBLISH_TIME_ANNOTATION: self.publish_time}
        return {key: cut_utf8(value, limit=_PROVENANCE_BYTES) for key, value in known.items() if value}

    def content(self) -> bytes:
        """Return the decoded data.

        Raises:
            PayloadError: it is not base64, or missing.
        """
        try:
            content = b64decode(self.data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise PayloadError(
                f"message.data is {excerpt(self.data)}, no base64 ({error}); publish through the Pub/Sub API",
                field="message.data",
                reason="no_base64",
            ) from None
        if not content:
            raise PayloadError("message.data is empty; publish the alert as the message's data", reason="empty")
        return content


def open_message(event_type: str, data: object) -> PubSubMessage:
    """Return the message that a CloudEvent carries.

    Raises:
        PayloadError: another type of CloudEvent, or no message in it.
    """
    if event_type != MESSAGE_PUBLISHED:
        raise PayloadError(
            f"CloudEvent type is {excerpt(event_type)}; send {MESSAGE_PUBLISHED}", field="type", reason="unknown_type"
        )
    try:
        return PubSubMessage.model_validate(data.get("message") if isinstance(data, dict) else data)
    except ValidationError as error:
        field, sentence = describe_invalid(error, root="data.message")
        raise PayloadError(sentence, field=field, reason="malformed_message") from None


FORMS = (
    "an Alertmanager webhook (alerts), one alert (labels), a Kubernetes Event (involvedObject) or a Cloud Monitoring "
    "incident (incident)"
)
"""What may be in a message, in words."""

Form = Literal["webhook", "alert", "event", "incident", ""]


def form_of(document: Mapping[str, Any]) -> Form:
    """Return which of FORMS a document has; an empty text where none."""
    if "alerts" in document:
        return "webhook"
    if "incident" in document:
        return "incident"
    if document.keys() & {"involvedObject", "regarding"} or document.get("kind") == "Event":
        return "event"
    return "alert" if "labels" in document else ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ContentReader:
    """Reads what messages carry: a webhook, one alert, a Kubernetes Event or a Cloud Monitoring incident."""

    received_time: datetime
    signal_type: str
    event_max_age: float
    max_alerts: int = alertmanager.MAX_ALERTS
    untargeted: str = "ignore"
    rules: Rules = dataclasses.field(default_factory=default_rules)
    cluster_labels: Sequence[str] = CLUSTER_LABELS

    def read(self, content: bytes, *, provenance: Mapping[str, str]) -> Batch:
        """Return the batch in a message; its signals carry `provenance`.

        Raises:
            PayloadError: it is none of the four.
        """
        batch = self._batch(content)

        def read(entry: Entry, _place: int) -> Entry:
            if not isinstance(entry, NormalizedSignal):
                return entry
            return dataclasses.replace(entry, provenance={**entry.provenance, **provenance})

        return batch._replace(entries=Unread(batch.entries, read))

    def _batch(self, content: bytes) -> Batch:
        document = _parse(content)
        match form_of(document):
            case "webhook":
                return self._webhook(content)
            case "alert":
                return self._webhook(to_json({"version": "4", "alerts": [document]}, inf_nan_mode="strings"))
            case "event":
                reader = EventReader(self.received_time, self.event_max_age, self.rules)
                return Batch([reader.read(document)], EVENT_SOURCE)
            case "incident":
                entry = cloud_monitoring.read_incident(
                    document,
                    received_time=self.received_time,
                    rules=self.rules,
                    cluster_labels=self.cluster_labels,
                )
                return Batch([entry], cloud_monitoring.SOURCE)
        raise PayloadError(
            f"the message is {excerpt(document)}; publish {FORMS}", field="message.data", reason="unknown_content"
        )

    def _webhook(self, content: bytes) -> Batch:
        return alertmanager.decode_alertmanager(
            content,
            received_time=self.received_time,
            signal_type=self.signal_type,
            max_alerts=self.max_alerts,
            untargeted=self.untargeted,
            rules=self.rules,
            cluster_labels=self.cluster_labels,
        )


def _parse(content: bytes) -> dict[str, Any]:
    try:
        document = from_json(content)
    except ValueError as error:
        document = _webhook_with_half_a_character(content)
        if document is None:
            raise PayloadError(
                f"message.data is {excerpt(content)}, no JSON ({error})", field="message.data", reason="no_json"
            ) from None
    if not isinstance(document, dict):
        raise PayloadError(
            f"message.data is {excerpt(document)}; publish a JSON object", field="message.data", reason="no_object"
        )
    return document


def _webhook_with_half_a_character(content: bytes) -> dict[str, Any] | None:
    """Return the webhook that has half a surrogate pair in it: only that alert is poison. None for anything else."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and "alerts" in document else None

"""What a push subscription of Pub/Sub sends where no Eventarc makes CloudEvents of it.

Wrapped, the body is `{"message": {...}, "subscription": "..."}`. Unwrapped, it is the message's data, and its id stands
in headers where the subscription writes metadata. Either becomes the CloudEvent that Eventarc would have made.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from core.signals.pubsub import MESSAGE_PUBLISHED, form_of
from core.triggers.cloud_events import CloudEvent, is_cloud_event, open_event, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE_ID = "x-goog-pubsub-message-id"
PUBLISH_TIME = "x-goog-pubsub-publish-time"
SUBSCRIPTION = "x-goog-pubsub-subscription-name"
"""Headers of an unwrapped message (Pub/Sub's page on payload unwrapping)."""

_SERVICE = "//pubsub.googleapis.com/"


def open_push(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """Return the CloudEvent in a request, or the one that its Pub/Sub message would be.

    Raises:
        PayloadError: it has neither.
    """
    if is_cloud_event(headers):
        return open_event(headers, body)
    if MESSAGE_ID in headers:
        return _unwrapped(headers, body)
    document = _document(body)
    if isinstance(document.get("message"), dict) and "specversion" not in document:
        return _wrapped(document)
    # Without metadata only the form tells; such a message has no id, so each delivery counts.
    return _unwrapped(headers, body) if form_of(document) else open_event(headers, body)


def _wrapped(document: dict[str, Any]) -> CloudEvent:
    message = document["message"]
    return _event(
        number=text_of(message.get("messageId") or message.get("message_id") or ""),
        subscription=text_of(document.get("subscription") or ""),
        data=document,
    )


def _unwrapped(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    number, subscription = headers.get(MESSAGE_ID, ""), headers.get(SUBSCRIPTION, "")
    message = {
        "data": b64encode(body).decode(),
        "messageId": number,
        "publishTime": headers.get(PUBLISH_TIME, ""),
    }
    return _event(number=number, subscription=subscription, data={"message": message, "subscription": subscription})


def _event(*, number: str, subscription: str, data: dict[str, Any]) -> CloudEvent:
    return CloudEvent(type=MESSAGE_PUBLISHED, source=f"{_SERVICE}{subscription}", id=number, data=data)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}

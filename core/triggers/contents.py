"""What CloudEvents of any type carry: a Pub/Sub message, or data in one of the forms that are known."""

from __future__ import annotations

import hashlib
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from core.common.text import excerpt
from core.errors import PayloadError
from core.signals.pubsub import FORMS, MESSAGE_PUBLISHED, ContentReader, form_of, open_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.gateway import Gateway
    from core.triggers.cloud_events import CloudEvent


class Content(NamedTuple):
    """What is in an event, not yet read.

    Args:
        key: what the delivery is known by when it comes again; empty where it cannot be known.
        data: returns the JSON, or raises PayloadError where there is none.
        provenance: annotations that lead from an RR back to it.
    """

    key: bytes
    data: Callable[[], bytes]
    provenance: Mapping[str, str] = MappingProxyType({})


def open_content(event: CloudEvent, *, wanted: str) -> Content:
    """Return what an event carries.

    Args:
        event: of any type.
        wanted: the types that its sender is told of where it carries nothing that is known.

    Raises:
        PayloadError: another type of event whose data has none of the known forms, or no message in one of Pub/Sub's.
    """
    if event.type == MESSAGE_PUBLISHED:
        message = open_message(event.type, event.data)
        return Content(
            # Only Pub/Sub's own ids tell messages apart: a message without one is never taken for another. The data is
            # in the key so that whoever guesses an id keeps no message away.
            key=_key(event.source, message.message_id, message.data.encode()) if message.message_id else b"",
            data=message.content,
            provenance=message.provenance,
        )
    data = _known(event, wanted)
    # The data too: not every sender makes a new id for each event, and no alert is to be lost for that.
    return Content(key=_key(event.source, event.id, data), data=lambda: data)


def reader_over(gateway: Gateway) -> Callable[[], ContentReader]:
    """Return what makes the reader of a content that arrives now."""
    settings = gateway.settings
    cluster_labels = settings.cluster_label_list

    def reader() -> ContentReader:
        return ContentReader(
            received_time=gateway.clock.now(),
            signal_type=settings.signal_type,
            event_max_age=settings.event_max_age,
            max_alerts=settings.max_alerts,
            untargeted=settings.untargeted,
            rules=gateway.rules,
            cluster_labels=cluster_labels,
        )

    return reader


def _known(event: CloudEvent, wanted: str) -> bytes:
    try:
        if isinstance(event.data, dict) and form_of(event.data):
            return json.dumps(event.data).encode()
    except RecursionError:
        pass
    raise PayloadError(
        f"CloudEvent type is {excerpt(event.type)}; send {wanted}, or any type whose data is {FORMS}: it is "
        f"{excerpt(event.data)}",
        field="type",
        reason="unknown_type",
    )


def _key(source: str, number: str, data: bytes = b"") -> bytes:
    return hashlib.sha256(f"{source}/{number}".encode() + data).digest()

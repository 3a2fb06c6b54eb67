"""CloudEvents in the two HTTP content modes (CloudEvents HTTP binding 1.0, sections 3.1 and 3.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping

STRUCTURED = "application/cloudevents+json"


@dataclass(frozen=True)
class Sent:
    """One HTTP request."""

    headers: Mapping[str, str]
    body: bytes


def attributes(event_type: str, **more: Any) -> dict[str, Any]:
    """Those that are required, as an ApiServerSource fills them, and `more`; one that is None is left out."""
    known = {
        "specversion": "1.0",
        "type": event_type,
        "source": "https://10.96.0.1:443",
        "id": str(uuid4()),
        "time": "2026-01-02T03:04:05.123Z",
        **more,
    }
    return {name: value for name, value in known.items() if value is not None}


def binary(event_type: str, data: object, *, content_type: str = "application/json", **more: Any) -> Sent:
    """Attributes in headers, data in the body; `data` that is bytes is sent as it is."""
    headers = {f"ce-{name}": str(value) for name, value in attributes(event_type, **more).items()}
    return Sent(headers | {"Content-Type": content_type}, data if isinstance(data, bytes) else _json(data))


def structured(event_type: str, data: object, **more: Any) -> Sent:
    """Attributes and data in one JSON object."""
    event = {**attributes(event_type, **more), "datacontenttype": "application/json", "data": data}
    return Sent({"Content-Type": STRUCTURED}, _json(event))


def batch(*events: Sent) -> Sent:
    """Several structured ones in one list, which functions-framework does not read."""
    return Sent(
        {"Content-Type": "application/cloudevents-batch+json"}, b"[" + b",".join(event.body for event in events) + b"]"
    )


def _json(value: object) -> bytes:
    return json.dumps(value).encode()

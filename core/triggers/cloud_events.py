"""Takes CloudEvents, in binary or structured mode (CloudEvents HTTP binding 1.0, sections 3.1 and 3.2).

functions-framework would open them too, but it answers `OK`, which a Knative Broker takes for a broken reply and
sends the event again; and it hands on neither headers nor a body that has a limit.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cloudevents.http import from_http

from core.answers import Answer, answer
from core.common.text import NO_UTF8_JSON, excerpt, is_utf8_json
from core.common.trace_context import current_trace, trace_of
from core.errors import PayloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.common.resilience import Deadline
    from core.results import SignalResult


class CloudEvent(NamedTuple):
    """`data` is the decoded JSON, or text where it was none. `id` is the sender's: Knative's is new on every send.
    `traceparent` and `tracestate` are the Distributed Tracing extension."""

    type: str
    source: str
    id: str
    data: object = None
    traceparent: str = ""
    tracestate: str = ""


_REQUIRED = ("specversion", "type", "source", "id")
_ATTRIBUTES = ("type", "source", "id", "traceparent", "tracestate")
_VERSIONS = ("1.0", "0.3")
_REMEDY = (
    "send one CloudEvent 1.0: its attributes in the headers ce-specversion, ce-type, ce-source and ce-id and JSON data "
    "in the body, or all of it as application/cloudevents+json"
)


class EventIntake(Protocol):
    """Where events go."""

    async def receive(self, event: CloudEvent, *, deadline: Deadline) -> Sequence[SignalResult]:
        """Store what is in an event."""

    async def close(self) -> None:
        """Give back what is held open."""


class EventReceiver:
    """Opens a CloudEvent and answers for its signals, with an empty body where it is done with.

    Args:
        intake: where events go.
        acknowledge_poison: answer 200 where an event can never work: Pub/Sub sends anything else again.
        opened: returns the CloudEvent in a request, or raises PayloadError.
    """

    def __init__(
        self,
        intake: EventIntake,
        *,
        acknowledge_poison: bool = False,
        opened: Callable[[Mapping[str, str], bytes], CloudEvent] | None = None,
    ) -> None:
        self._intake = intake
        self._acknowledge_poison = acknowledge_poison
        self._opened = opened or open_event

    async def receive(self, headers: Mapping[str, str], body: bytes, /, *, deadline: Deadline) -> Answer:
        """Store the signals of one event.

        Raises:
            PayloadError: it is no CloudEvent, or can never work.
            KubernetesError, TransientError: it could not be stored now.
        """
        event = self._opened(headers, body)
        if current_trace.get() is None:
            current_trace.set(trace_of({"traceparent": event.traceparent, "tracestate": event.tracestate}))
        given = answer(await self._intake.receive(event, deadline=deadline))
        if given.status == 400 and self._acknowledge_poison:
            return _done(200)
        return _done(given.status) if given.status < 300 else given

    async def close(self) -> None:
        """Give back what the intake holds open."""
        await self._intake.close()


def is_cloud_event(headers: Mapping[str, str]) -> bool:
    """Tell whether the headers say that a CloudEvent comes, be it a broken one."""
    media_type = headers.get("content-type", "").strip().lower()
    return media_type.startswith("application/cloudevents") or any(f"ce-{name}" in headers for name in _REQUIRED)


def open_event(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """Return the CloudEvent in a request.

    Raises:
        PayloadError: there is none, or several.
    """
    event = _parsed(headers, body)
    if not is_utf8_json(body) and not isinstance(event.get_data(), bytes):  # Python's own reader made something out
        raise PayloadError(NO_UTF8_JSON, reason="no_json")
    attributes = {name: text_of(event.get(name) or "") for name in _ATTRIBUTES}
    return CloudEvent(**attributes, data=event.get_data())


def attributes_and_data(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    """Return all attributes of the CloudEvent in a request as texts, and its data as it came; in structured mode as
    JSON, unless it was base64.

    Raises:
        PayloadError: there is none, or several.
    """
    event = _parsed(headers, body)
    attributes = {text_of(name): text_of(value) for name, value in event.get_attributes().items() if value is not None}
    if not headers.get("content-type", "").strip().lower().startswith("application/cloudevents"):
        return attributes, body
    data = event.get_data()
    if data is None:  # none, or JSON's null, which says the same (JSON format 1.0, section 2.2)
        return attributes, b""
    return attributes, data if isinstance(data, bytes) else json.dumps(data).encode()


def _parsed(headers: Mapping[str, str], body: bytes) -> Any:
    try:
        return from_http(headers, body)
    except Exception:  # noqa: BLE001 - the library raises whatever its parts raise, and only for what was sent
        field, sentence = _describe_invalid(headers, body)
        raise PayloadError(f"{sentence}; {_REMEDY}", field=field, reason="no_cloud_event") from None


def _describe_invalid(headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """Return the field that is wrong, and a sentence about it."""
    if headers.get("content-type", "").startswith("application/cloudevents-batch"):
        return "Content-Type", "this is a batch of CloudEvents"
    attributes: Any = {name: headers[f"ce-{name}"] for name in _REQUIRED if f"ce-{name}" in headers}
    prefix = "ce-" if attributes else ""
    if not attributes:
        try:
            attributes = json.loads(body)
        except (ValueError, RecursionError):
            return "", f"the body is {excerpt(body)}, no JSON, and no header tells of a CloudEvent"
        if not isinstance(attributes, dict):
            return "", f"the body is {excerpt(attributes)}, no JSON object, and no header tells of a CloudEvent"
    for name in _REQUIRED:
        if name not in attributes:
            return prefix + name, f"{prefix}{name} is missing"
    if attributes["specversion"] in _VERSIONS:
        return "data", "the CloudEvent's data is nested too deeply, or no base64"
    return f"{prefix}specversion", f"{prefix}specversion is {excerpt(attributes['specversion'])}"


def _done(status: int) -> Answer:
    return Answer(status, b"", media_type=None)


def text_of(attribute: object) -> str:
    """Return an attribute as text; in structured mode it may be anything that JSON has, half a surrogate pair too."""
    return str(attribute).encode(errors="backslashreplace").decode()

"""Kubernetes Events (core/v1 and events.k8s.io/v1) as Knative's ApiServerSource sends them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from core.adapters.bounds import PAYLOAD_BYTES, bounded_json, bounded_texts
from core.adapters.complaints import complaint, texts_of
from core.adapters.event_object import EventObject
from core.adapters.object_names import NAME, NAMESPACE
from core.adapters.targets import NO_TARGET
from core.errors import PayloadError
from core.fingerprint import fingerprint_of
from core.models.batch import Entry, Ignored, Poison
from core.models.signal import NormalizedSignal
from core.text import cut_utf8, excerpt

if TYPE_CHECKING:
    from datetime import datetime

SOURCE = "kubernetes-events"
SIGNAL_TYPE = "kubernetes-event"

_PREFIX = "dev.knative.apiserver."
_WHOLE = (f"{_PREFIX}resource.add", f"{_PREFIX}resource.update")
_REFERENCES = (f"{_PREFIX}ref.add", f"{_PREFIX}ref.update")
_DELETIONS = (f"{_PREFIX}resource.delete", f"{_PREFIX}ref.delete")
_SIGNAL_TYPES = ("Warning", "Error")
_NAME_BYTES = 253


class EventReference(BaseModel):
    """Where an Event is to be read: ApiServerSource's default mode sends nothing else of it."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    api_version: Literal["v1", "events.k8s.io/v1"] = Field(alias="apiVersion")
    kind: Literal["Event"]
    name: str = Field(pattern=NAME)
    namespace: str = Field(pattern=NAMESPACE)


def open_cloud_event(event_type: str, data: object) -> dict[str, Any] | EventReference | Ignored:
    """Return the Event that a CloudEvent carries, where to read it, or why it asks for nothing.

    Raises:
        PayloadError: a type that is none of ApiServerSource's, or data that is no object of text.
    """
    if event_type in _DELETIONS:
        return Ignored("deleted_event")
    if event_type not in _WHOLE + _REFERENCES:
        raise PayloadError(
            f"CloudEvent type is {excerpt(event_type)}; send {_PREFIX}resource.* or {_PREFIX}ref.*, as an "
            "ApiServerSource does",
            field="type",
            reason="unknown_type",
        )
    if not isinstance(data, dict):
        raise PayloadError(
            f"CloudEvent data is {excerpt(data)}; send the Event as a JSON object", field="data", reason="no_object"
        )
    if not _is_text(data):
        raise PayloadError(
            "CloudEvent data holds half a surrogate pair, which is no text, or is nested too deeply; send UTF-8",
            field="data",
            reason="encoding",
        )
    return data if event_type in _WHOLE else _reference(data)


def _reference(data: dict[str, Any]) -> EventReference:
    try:
        return EventReference.model_validate(data)
    except ValidationError as error:
        field, sentence = complaint(error, root="data")
        raise PayloadError(
            f"{sentence}; let the ApiServerSource watch Events only", field=field, reason="malformed_reference"
        ) from None


@dataclass(frozen=True, slots=True)
class EventReader:
    """Reads Events. `max_age` is in seconds: older ones are what a relist shows of yesterday."""

    received_time: datetime
    max_age: float

    def read(self, raw: dict[str, Any]) -> Entry:
        """Return what becomes of an Event."""
        try:
            event = EventObject.model_validate(raw)
        except ValidationError as error:
            return Poison(
                "malformed_event", complaint(error, root="Event")[1], texts_of(raw, "reason", "type", "message")
            )
        if event.type not in _SIGNAL_TYPES:
            return Ignored("normal_event")
        happened = event.last_time or self.received_time
        if self.received_time - happened > timedelta(seconds=self.max_age):
            return Ignored("old_event")
        target = event.target
        signal_name = cut_utf8(event.reason or "unknown", limit=_NAME_BYTES)
        if target is None:
            return Ignored(
                NO_TARGET,
                f"involvedObject (regarding) of Event {excerpt(event.metadata.name)} is "
                f"{excerpt(raw.get('involvedObject') or raw.get('regarding'))}; its kind, name, namespace and "
                "apiVersion must be ones that Kubernetes can have",
                signal_name=signal_name,
            )
        return NormalizedSignal(
            fingerprint=fingerprint_of(target),
            signal_name=signal_name,
            severity=event.type,
            signal_type=SIGNAL_TYPE,
            signal_source=SOURCE,
            target=target,
            firing_time=event.first_time or happened,
            received_time=self.received_time,
            labels=bounded_texts(event.labels),
            annotations=bounded_texts({"message": event.message}) if event.message else {},
            payload=partial(_payload, raw),
            event_namespace=event.metadata.namespace,
        )


def occurrence_of(raw: dict[str, Any]) -> bytes:
    """Return what an occurrence is known by when it is sent again: uid and count, never the CloudEvent's id.

    Empty for an object that has no uid.
    """
    try:
        event = EventObject.model_validate(raw)
    except ValidationError:
        return b""
    if not event.metadata.uid:
        return b""
    return hashlib.sha256(f"{event.metadata.uid}/{event.occurrences}/{event.last_time}".encode()).digest()


def _payload(raw: dict[str, Any]) -> bytes:
    metadata = {key: value for key, value in raw.get("metadata", {}).items() if key != "managedFields"}
    return bounded_json(raw | {"metadata": metadata}, limit=PAYLOAD_BYTES)


def _is_text(data: object) -> bool:
    try:
        to_json(data, inf_nan_mode="strings")
    except ValueError:
        return False
    return True

"""Kubernetes Events (core/v1 and events.k8s.io/v1) as Knative's ApiServerSource sends them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from core.common.text import cut_utf8, describe_invalid, excerpt, texts_of
from core.errors import PayloadError
from core.signals.names import API_VERSION_PATTERN, KIND_PATTERN, NAME_PATTERN, NAMESPACE_PATTERN
from core.signals.rules import FEW_OCCURRENCES, IGNORED_BY_RULE, Decision, Rules, default_rules
from core.signals.signal import (
    PAYLOAD_BYTES,
    Candidate,
    Entry,
    Ignored,
    NormalizedSignal,
    Poison,
    TargetResource,
    bounded_json,
    bounded_texts,
    fingerprint_of,
)
from core.signals.targets import NO_TARGET, candidates_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def _moment(value: Any) -> datetime | None:
    """Read an RFC 3339 time; None for a missing or unreadable one."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo and moment.year > 1 else None
    except (ValueError, OverflowError):
        return None


_Moment = Annotated[datetime | None, BeforeValidator(_moment)]
_Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, populate_by_name=True)


class _Metadata(_Part):
    name: _Text = ""
    namespace: _Text = ""
    uid: _Text = ""
    creation_time: _Moment = Field(None, alias="creationTimestamp")


class _Series(_Part):
    count: int = 0
    last_time: _Moment = Field(None, alias="lastObservedTime")


class _Reference(_Part):
    api_version: _Text = Field("", alias="apiVersion")
    kind: _Text = ""
    name: _Text = ""
    namespace: _Text = ""
    uid: _Text = ""
    field_path: _Text = Field("", alias="fieldPath")

    @property
    def could_exist(self) -> bool:
        """Whether its parts are names: the API server checks none but the namespace, and they become a URL."""
        return bool(
            KIND_PATTERN.search(self.kind)
            and NAME_PATTERN.search(self.name)
            and (not self.namespace or NAMESPACE_PATTERN.search(self.namespace))
            and (not self.api_version or API_VERSION_PATTERN.search(self.api_version))
        )


class _Source(_Part):
    component: _Text = ""


def _either(newer: str, older: str) -> Any:
    return AliasChoices(newer, older)


class EventObject(_Part):
    """An Event; where the two versions name a field differently, either name is read."""

    metadata: _Metadata = Field(default_factory=_Metadata)
    cluster_name: _Text = Field("", alias="clusterName")  # kubernetes-event-exporter's, beside Kubernetes' own fields
    regarding: _Reference | None = Field(None, validation_alias=_either("regarding", "involvedObject"))
    type: _Text = ""
    reason: _Text = ""
    message: _Text = Field("", validation_alias=_either("note", "message"))
    event_time: _Moment = Field(None, alias="eventTime")
    first_timestamp: _Moment = Field(None, validation_alias=_either("deprecatedFirstTimestamp", "firstTimestamp"))
    last_timestamp: _Moment = Field(None, validation_alias=_either("deprecatedLastTimestamp", "lastTimestamp"))
    count: int | None = Field(None, validation_alias=_either("deprecatedCount", "count"))
    series: _Series | None = None
    source: _Source | None = Field(None, validation_alias=_either("deprecatedSource", "source"))
    reporting_controller: _Text = Field("", validation_alias=_either("reportingController", "reportingComponent"))

    @property
    def target(self) -> TargetResource | None:
        """The object the Event is about, if it names one that Kubernetes can have."""
        about = self.regarding
        if about is None or not about.could_exist:
            return None
        return TargetResource(
            kind=about.kind,
            name=about.name,
            namespace=about.namespace,
            api_version=about.api_version,
            uid=about.uid,
        )

    @property
    def occurrences(self) -> int:
        """How often it has happened so far."""
        return max(self.count or 0, self.series.count if self.series else 0)

    @property
    def last_time(self) -> datetime | None:
        """When it happened last; None where the Event tells no time at all."""
        known = [self.last_timestamp, self.event_time, self.series.last_time if self.series else None]
        return max((time for time in known if time), default=self.first_timestamp or self.metadata.creation_time)

    @property
    def first_time(self) -> datetime | None:
        """When it happened first."""
        return self.first_timestamp or self.event_time or self.metadata.creation_time

    @property
    def labels(self) -> dict[str, str]:
        """What people search RRs by."""
        about = self.regarding or _Reference()
        component = self.reporting_controller or (self.source.component if self.source else "")
        labels = {
            "reason": self.reason,
            "type": self.type,
            "kind": about.kind,
            "name": about.name,
            "namespace": about.namespace,
            "component": component,
            "field_path": about.field_path,
        }
        return {key: value for key, value in labels.items() if value}

    @property
    def rule_labels(self) -> dict[str, str]:
        """What rules look at: an Event has no labels of its own that say anything of it."""
        about = self.regarding or _Reference()
        labels = self.labels
        namespace = about.namespace or self.metadata.namespace
        return labels | {"source": labels.get("component", ""), "namespace": namespace}


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
    name: str = Field(pattern=NAME_PATTERN)
    namespace: str = Field(pattern=NAMESPACE_PATTERN)


def is_of_api_server_source(event_type: str) -> bool:
    """Tell whether a CloudEvent's type is an ApiServerSource's, an unknown one included."""
    return event_type.startswith(_PREFIX)


def open_cloud_event(event_type: str, data: object) -> dict[str, Any] | EventReference | Ignored:
    """Return the Event that a CloudEvent carries, where to read it, or why it asks for nothing.

    Raises:
        PayloadError: its type is not an ApiServerSource's, or its data is not a JSON object of readable text.
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
    event = whole_event(data)
    return event if event_type in _WHOLE else _reference(event)


def whole_event(data: object) -> dict[str, Any]:
    """Return the Event that is a CloudEvent's data, its fields not yet checked.

    Raises:
        PayloadError: it is not a JSON object of readable text.
    """
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
    return data


def _reference(data: dict[str, Any]) -> EventReference:
    try:
        return EventReference.model_validate(data)
    except ValidationError as error:
        field, sentence = describe_invalid(error, root="data")
        raise PayloadError(
            f"{sentence}; let the ApiServerSource watch Events only", field=field, reason="malformed_reference"
        ) from None


@dataclass(frozen=True, slots=True)
class EventReader:
    """Reads Events. `max_age` is in seconds: older ones are what a relist shows of yesterday."""

    received_time: datetime
    max_age: float
    rules: Rules = field(default_factory=default_rules)

    def read(self, raw: dict[str, Any]) -> Entry:
        """Return what becomes of an Event."""
        try:
            event = EventObject.model_validate(raw)
        except ValidationError as error:
            return Poison(
                "malformed_event", describe_invalid(error, root="Event")[1], texts_of(raw, "reason", "type", "message")
            )
        if event.type not in _SIGNAL_TYPES:
            return Ignored("normal_event")
        happened = event.last_time or self.received_time
        if self.received_time - happened > timedelta(seconds=self.max_age):
            return Ignored("old_event")
        signal_name = cut_utf8(event.reason or "unknown", limit=_NAME_BYTES)
        decision = self.rules.decide(event.rule_labels)
        aim = _ignored_by(decision, event) or _aim(decision, event, raw)
        if isinstance(aim, Ignored):
            return replace(aim, signal_name=signal_name)
        target, candidates = aim
        cluster = event.cluster_name if decision.cluster is None else decision.cluster
        return NormalizedSignal(
            fingerprint=fingerprint_of(target, cluster=cluster),
            signal_name=signal_name,
            severity=decision.severity or event.type,
            signal_type=SIGNAL_TYPE,
            signal_source=SOURCE,
            target=target,
            candidates=candidates,
            cluster_id=cut_utf8(cluster, limit=_NAME_BYTES),
            provenance=decision.provenance,
            firing_time=event.first_time or happened,
            received_time=self.received_time,
            labels=bounded_texts(event.labels),
            annotations=bounded_texts({"message": event.message}) if event.message else {},
            payload=partial(_payload, raw),
            event_namespace=event.metadata.namespace,
        )


def _ignored_by(decision: Decision, event: EventObject) -> Ignored | None:
    if decision.ignored:
        return Ignored(IGNORED_BY_RULE, decision.ignored)
    if event.occurrences < decision.min_occurrences:
        rules = ", ".join(decision.rules)
        return Ignored(
            FEW_OCCURRENCES, f"such Events count from occurrence {decision.min_occurrences} on (rules {rules})"
        )
    return None


def _aim(
    decision: Decision, event: EventObject, raw: dict[str, Any]
) -> tuple[TargetResource, Sequence[Candidate]] | Ignored:
    """Return the object that an Event is about, and the candidates of a rule where one names it."""
    candidates = candidates_of(decision.hints) if decision.hints else ()
    if isinstance(candidates, Ignored):
        return candidates
    target = candidates[0].target if candidates else event.target
    if target is not None:
        return target, candidates
    return Ignored(
        NO_TARGET,
        f"involvedObject (regarding) of Event {excerpt(event.metadata.name)} is "
        f"{excerpt(raw.get('involvedObject') or raw.get('regarding'))}; its kind, name, namespace and "
        "apiVersion must be ones that Kubernetes can have",
    )


def occurrence_of(raw: dict[str, Any]) -> bytes:
    """Return what an occurrence is known by when it is sent again: uid and count, never the CloudEvent's id; and what
    the Event is about, so that one with another Event's uid does not stand for it.

    Empty for an object that has no uid.
    """
    try:
        event = EventObject.model_validate(raw)
    except ValidationError:
        return b""
    if not event.metadata.uid:
        return b""
    about = event.regarding or _Reference()
    told = (about.kind, about.namespace, about.name, event.metadata.namespace, event.type, event.reason)
    known = (event.metadata.uid, event.occurrences, str(event.last_time), *told)
    return hashlib.sha256(to_json(known)).digest()


def _payload(raw: dict[str, Any]) -> bytes:
    metadata = {key: value for key, value in raw.get("metadata", {}).items() if key != "managedFields"}
    return bounded_json(raw | {"metadata": metadata}, limit=PAYLOAD_BYTES)


def _is_text(data: object) -> bool:
    try:
        to_json(data, inf_nan_mode="strings")
    except ValueError:
        return False
    return True

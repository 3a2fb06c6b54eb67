"""The fields of an Event that the gateway reads, in both of its API versions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from core.adapters.object_names import API_VERSION, KIND, NAME, NAMESPACE
from core.models.signal import TargetResource


def _moment(value: Any) -> datetime | None:
    """Read an RFC 3339 time; a missing or unreadable one is none."""
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
            KIND.search(self.kind)
            and NAME.search(self.name)
            and (not self.namespace or NAMESPACE.search(self.namespace))
            and (not self.api_version or API_VERSION.search(self.api_version))
        )


class _Source(_Part):
    component: _Text = ""


def _either(newer: str, older: str) -> Any:
    return AliasChoices(newer, older)


class EventObject(_Part):
    """An Event; where the two versions name a field differently, either name is read."""

    metadata: _Metadata = Field(default_factory=_Metadata)
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
        """What people search requests by."""
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

"""One alert of a webhook: checked alone, so that a broken one never blocks its neighbours."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from core.adapters.complaints import complaint
from core.adapters.targets import target_of
from core.fingerprint import fingerprint_of
from core.models.batch import Entry, Ignored, Poison
from core.models.signal import NormalizedSignal
from core.text import cut_utf8

SOURCE = "alertmanager"

_NAME_BYTES = 253
_SEVERITY_BYTES = 50
_CLUSTER_BYTES = 253
_UNKNOWN = "unknown"


class Alert(BaseModel):
    """The fields of an alert that the gateway reads; all others stay in its payload."""

    model_config = ConfigDict(strict=True, extra="ignore")

    status: Literal["firing", "resolved"] | None = None
    labels: dict[str, str]
    annotations: dict[str, str] | None = None
    starts_at: Any = Field(None, alias="startsAt")


class AlertReader:
    """Reads the alerts of one webhook.

    Args:
        envelope: the webhook without its alerts.
        received_time: when the webhook came.
        signal_type: `spec.signalType` of the requests.
    """

    def __init__(self, *, envelope: dict[str, Any], received_time: datetime, signal_type: str) -> None:
        self._group_status = envelope.get("status")
        self._received_time = received_time
        self._signal_type = signal_type
        written = _json(envelope)[:-1]
        self._payload_start = written + (b"," if envelope else b"") + b'"alerts":['

    def read(self, raw: object, place: int) -> Entry:
        """Return what becomes of the alert at `place`."""
        try:
            alert = Alert.model_validate(raw)
        except ValidationError as error:
            return _malformed(error, place)
        if (alert.status or self._group_status) == "resolved":
            return Ignored("resolved")
        target = target_of(alert.labels)
        if isinstance(target, Poison):
            return Poison(target.reason, f"alerts[{place}].labels: {target.message}")
        labels = alert.labels
        cluster = labels.get("cluster", "")
        return NormalizedSignal(
            fingerprint=fingerprint_of(target, cluster=cluster),
            signal_name=cut_utf8(labels.get("alertname") or _UNKNOWN, limit=_NAME_BYTES),
            severity=cut_utf8(labels.get("severity") or _UNKNOWN, limit=_SEVERITY_BYTES),
            signal_type=self._signal_type,
            signal_source=SOURCE,
            target=target,
            cluster_id=cut_utf8(cluster, limit=_CLUSTER_BYTES),
            environment=labels.get("environment", ""),
            priority=labels.get("priority", ""),
            firing_time=_moment(alert.starts_at) or self._received_time,
            received_time=self._received_time,
            labels=labels,
            annotations=alert.annotations or {},
            payload=partial(self._payload, raw),
        )

    def _payload(self, raw: object) -> bytes:
        """Write the webhook reduced to this one alert, newer and unknown fields included."""
        return b"".join((self._payload_start, _json(raw), b"]}"))


def _json(value: object) -> bytes:
    # 1e400 is JSON, but no float: it is read as infinity, for which JSON has no word.
    return to_json(value, inf_nan_mode="strings")


def _malformed(error: ValidationError, place: int) -> Poison:
    return Poison("malformed_alert", complaint(error, root=f"alerts[{place}]")[1])


def _moment(text: object) -> datetime | None:
    """Read an RFC 3339 time; None for a missing one, an unreadable one and Go's zero time."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
    return zoned if zoned and zoned.year > 1 else None

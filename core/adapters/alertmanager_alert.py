"""One alert of a webhook: checked alone, so that a broken one never blocks its neighbours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.adapters.bounds import PAYLOAD_BYTES, bounded_json, bounded_texts
from core.adapters.complaints import complaint, texts_of
from core.adapters.targets import candidates_of
from core.fingerprint import fingerprint_of
from core.models.batch import Entry, Ignored, Poison
from core.models.signal import NormalizedSignal
from core.text import cut_utf8

SOURCE = "alertmanager"

_NAME_BYTES = 253
_SEVERITY_BYTES = 50
_CLUSTER_BYTES = 253
_LABEL_BYTES = 63
_ENVELOPE_BYTES = 8 * 1024
_UNKNOWN = "unknown"


def _texts(annotations: object) -> dict[str, str]:
    """Annotations never decide anything: what is no text among them is left out (a templated number, say)."""
    if not isinstance(annotations, dict):
        return {}
    return {key: text for key, text in annotations.items() if isinstance(text, str)}


class Alert(BaseModel):
    """The fields of an alert that the gateway reads; all others stay in its payload."""

    model_config = ConfigDict(strict=True, extra="ignore")

    status: Literal["firing", "resolved"] | None = None
    labels: dict[str, str]
    annotations: Annotated[dict[str, str], BeforeValidator(_texts)] = Field(default_factory=dict)
    starts_at: Any = Field(None, alias="startsAt")


class AlertReader:
    """Reads the alerts of one webhook.

    Args:
        envelope: the webhook without its alerts.
        received_time: when the webhook came.
        signal_type: `spec.signalType` of the requests.
        untargeted: `namespace` makes the Namespace the target of an alert that names no other object.
    """

    def __init__(self, *, envelope: dict[str, Any], received_time: datetime, signal_type: str, untargeted: str) -> None:
        self._to_namespace = untargeted == "namespace"
        self._group_status = envelope.get("status")
        self._received_time = received_time
        self._signal_type = signal_type
        # Once for all alerts of the group: it may have their annotations in common.
        written = bounded_json(envelope, limit=_ENVELOPE_BYTES)[:-1]
        self._payload_start = written + (b"," if envelope else b"") + b'"alerts":['

    def read(self, raw: object, place: int) -> Entry:
        """Return what becomes of the alert at `place`."""
        try:
            alert = Alert.model_validate(raw)
        except ValidationError as error:
            return _malformed(error, raw, place)
        if (alert.status or self._group_status) == "resolved":
            return Ignored("resolved")
        labels = alert.labels
        signal_name = cut_utf8(labels.get("alertname") or _UNKNOWN, limit=_NAME_BYTES)
        candidates = candidates_of(labels, alert.annotations, to_namespace=self._to_namespace)
        if isinstance(candidates, Ignored):
            return replace(candidates, signal_name=signal_name)
        target = candidates[0].target  # until the cluster has decided
        cluster = labels.get("cluster", "")
        return NormalizedSignal(
            fingerprint=fingerprint_of(target, cluster=cluster),
            signal_name=signal_name,
            severity=cut_utf8(labels.get("severity") or _UNKNOWN, limit=_SEVERITY_BYTES),
            signal_type=self._signal_type,
            signal_source=SOURCE,
            target=target,
            candidates=candidates,
            cluster_id=cut_utf8(cluster, limit=_CLUSTER_BYTES),
            environment=cut_utf8(labels.get("environment", ""), limit=_LABEL_BYTES),
            priority=cut_utf8(labels.get("priority", ""), limit=_LABEL_BYTES),
            firing_time=_moment(alert.starts_at) or self._received_time,
            received_time=self._received_time,
            labels=bounded_texts(labels),
            annotations=bounded_texts(alert.annotations),
            payload=partial(self._payload, raw),
        )

    def _payload(self, raw: object) -> bytes:
        """Write the webhook reduced to this one alert, newer and unknown fields included."""
        return b"".join((self._payload_start, bounded_json(raw, limit=PAYLOAD_BYTES - _ENVELOPE_BYTES), b"]}"))


def _malformed(error: ValidationError, raw: object, place: int) -> Poison:
    labels = raw.get("labels") if isinstance(raw, dict) else None
    return Poison("malformed_alert", complaint(error, root=f"alerts[{place}]")[1], texts_of(labels))


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

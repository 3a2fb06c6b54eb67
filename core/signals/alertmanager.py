"""Alertmanager webhooks as batches of signals: version 4, and whatever else carries usable alerts.

Each alert is checked alone, so that a broken one never blocks its neighbours.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, TypeGuard

from pydantic_core import CoreConfig, SchemaValidator, ValidationError, core_schema, from_json, to_json

from core.common.text import NO_UTF8_JSON, cut_utf8, describe_invalid, excerpt, is_utf8_json, texts_of
from core.errors import PayloadError, PayloadTooLargeError
from core.signals.rules import IGNORED_BY_RULE, Rules, default_rules
from core.signals.signal import (
    CLUSTER_LABELS,
    PAYLOAD_BYTES,
    RESOLVED,
    Batch,
    Entry,
    Ignored,
    NormalizedSignal,
    Poison,
    Unread,
    alert_id,
    bounded_json,
    bounded_texts,
    cluster_of,
    fingerprint_of,
)
from core.signals.targets import candidates_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = "alertmanager"

_NAME_BYTES = 253
_SEVERITY_BYTES = 50
_CLUSTER_BYTES = 253
_LABEL_BYTES = 63
_ENVELOPE_BYTES = 8 * 1024
_UNKNOWN = "unknown"


def _texts(annotations: object) -> dict[str, str]:
    """Keep only annotations that are text: they never decide anything, so others (a templated number) are left out."""
    if not isinstance(annotations, dict):
        return {}
    return {key: text for key, text in annotations.items() if isinstance(text, str)}


class Alert(TypedDict):
    """The fields of an alert that the gateway reads; all others stay in its payload."""

    status: NotRequired[str | None]
    labels: dict[str, str]
    annotations: NotRequired[dict[str, str]]
    startsAt: NotRequired[object]


# The schema that pydantic would make of Alert, without importing pydantic (core.common.declared).
_READ_ALERT = SchemaValidator(
    core_schema.typed_dict_schema(
        {
            "status": core_schema.typed_dict_field(
                core_schema.nullable_schema(core_schema.literal_schema(["firing", "resolved"])), required=False
            ),
            "labels": core_schema.typed_dict_field(
                core_schema.dict_schema(core_schema.str_schema(), core_schema.str_schema())
            ),
            "annotations": core_schema.typed_dict_field(
                core_schema.no_info_plain_validator_function(_texts), required=False
            ),
            "startsAt": core_schema.typed_dict_field(core_schema.any_schema(), required=False),
        }
    ),
    CoreConfig(title="Alert", strict=True),
)


class AlertReader:
    """Reads the alerts of one webhook.

    Args:
        envelope: the webhook without its alerts.
        received_time: when the webhook came.
        signal_type: `spec.signalType` of the RRs.
        untargeted: `namespace` makes the Namespace the target of an alert that names no other object.
        rules: decide before labels are read.
        cluster_labels: those that name an alert's cluster, the first that is not empty.
        needs_start: an alert that fires and does not say since when is poison.
    """

    def __init__(
        self,
        *,
        envelope: dict[str, Any],
        received_time: datetime,
        signal_type: str,
        untargeted: str,
        rules: Rules,
        cluster_labels: Sequence[str] = CLUSTER_LABELS,
        needs_start: bool = False,
    ) -> None:
        self._rules = rules
        self._needs_start = needs_start
        self._cluster_labels = cluster_labels
        self._to_namespace = untargeted == "namespace"
        self._group_status = envelope.get("status")
        self._received_time = received_time
        self._signal_type = signal_type
        # Written once for all alerts of the group: `commonAnnotations` may be large.
        written = bounded_json(envelope, limit=_ENVELOPE_BYTES)[:-1]
        self._payload_start = written + (b"," if envelope else b"") + b'"alerts":['

    def read(self, raw: object, index: int) -> Entry:
        """Return what becomes of the alert at `index`."""
        try:
            alert: Alert = _READ_ALERT.validate_python(raw)
        except ValidationError as error:
            return _malformed(error, raw, index)
        signal = self._signal(alert, raw)
        if (alert.get("status") or self._group_status) == "resolved":
            return Ignored(
                RESOLVED, ended=replace(signal, resolved=True) if isinstance(signal, NormalizedSignal) else None
            )
        start = alert.get("startsAt")
        if self._needs_start and _moment(start) is None:
            return Poison(
                "malformed_alert",
                f"alerts[{index}].startsAt is {excerpt(start)}; send when it began (RFC 3339), or when the "
                "request was sent in the header X-Timestamp",
                alert["labels"],
            )
        return signal

    def _signal(self, alert: Alert, raw: object) -> NormalizedSignal | Ignored:
        labels, annotations = alert["labels"], alert.get("annotations", {})
        signal_name = cut_utf8(labels.get("alertname") or _UNKNOWN, limit=_NAME_BYTES)
        decision = self._rules.decide(labels)
        if decision.ignored:
            return Ignored(IGNORED_BY_RULE, decision.ignored, signal_name)
        candidates = candidates_of({**labels, **decision.hints}, annotations, to_namespace=self._to_namespace)
        if isinstance(candidates, Ignored):
            return replace(candidates, signal_name=signal_name, nameless=not labels.get("alertname"))
        target = candidates[0].target  # until the cluster has decided
        cluster = cluster_of(labels, self._cluster_labels) if decision.cluster is None else decision.cluster
        return NormalizedSignal(
            fingerprint=fingerprint_of(target, cluster=cluster),
            signal_name=signal_name,
            severity=decision.severity or cut_utf8(labels.get("severity") or _UNKNOWN, limit=_SEVERITY_BYTES),
            signal_type=self._signal_type,
            signal_source=SOURCE,
            target=target,
            candidates=candidates,
            cluster_id=cut_utf8(cluster, limit=_CLUSTER_BYTES),
            environment=cut_utf8(labels.get("environment", ""), limit=_LABEL_BYTES),
            priority=cut_utf8(labels.get("priority", ""), limit=_LABEL_BYTES),
            firing_time=_moment(alert.get("startsAt")) or self._received_time,
            received_time=self._received_time,
            labels=bounded_texts(labels),
            annotations=bounded_texts(annotations),
            provenance=decision.provenance,
            payload=partial(self._payload, raw),
            alert=alert_id(labels),
        )

    def _payload(self, raw: object) -> bytes:
        """Write the webhook reduced to this one alert, newer and unknown fields included."""
        return b"".join((self._payload_start, bounded_json(raw, limit=PAYLOAD_BYTES - _ENVELOPE_BYTES), b"]}"))


def _malformed(error: ValidationError, raw: object, index: int) -> Poison:
    labels = raw.get("labels") if isinstance(raw, dict) else None
    return Poison("malformed_alert", describe_invalid(error, root=f"alerts[{index}]")[1], texts_of(labels))


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


MAX_ALERTS = 10_000
"""Of one body, where no setting says otherwise."""

_VERSION = "4"
_GRAFANAS_VERSION = "1"  # Grafana Alerting's webhook contact point: the same fields, and more of its own
_LARGEST_COUNT = 2**64 - 1  # truncatedAlerts is a uint64 in Alertmanager; larger ones fit no counter
_UNWRITABLE = "half a surrogate pair, which is no text, or is nested too deeply"


def decode_alertmanager(
    body: bytes,
    *,
    received_time: datetime,
    signal_type: str,
    max_alerts: int = MAX_ALERTS,
    untargeted: str = "ignore",
    rules: Rules | None = None,
    cluster_labels: Sequence[str] = CLUSTER_LABELS,
    needs_start: bool = False,
) -> Batch:
    """Decode a webhook (Alertmanager configuration, `webhook_config`).

    Args:
        body: JSON, as received.
        received_time: timezone-aware; stands in for a missing `startsAt`.
        signal_type: `spec.signalType` of the RRs.
        max_alerts: most that a body may have.
        untargeted: `namespace` makes the Namespace the target of an alert that names no other object.
        rules: decide before labels are read; None: those that are built in.
        cluster_labels: those that name an alert's cluster, the first that is not empty.
        needs_start: an alert that fires and does not say since when is poison.

    Returns:
        One entry for each alert, in order, read when it is asked for; a broken alert is Poison in its place.

    Raises:
        PayloadTooLargeError: it has more alerts.
        PayloadError: the body is not a JSON object with a list of alerts.
    """
    webhook, clean = _parse(body)
    if not isinstance(webhook, dict):
        raise PayloadError(
            f"the body is {excerpt(webhook)}; send an Alertmanager webhook, a JSON object with a list `alerts`",
            reason="no_object",
        )
    alerts = webhook.get("alerts")
    if not isinstance(alerts, list):
        raise PayloadError(
            f"alerts is {excerpt(alerts)}; send an Alertmanager webhook, whose `alerts` is a list",
            field="alerts",
            reason="no_alerts",
        )
    if len(alerts) > max_alerts:
        raise PayloadTooLargeError(
            f"alerts has {len(alerts)} entries, the limit is {max_alerts}; split the group by group_by, or raise "
            "SLUICE_MAX_ALERTS",
            field="alerts",
            reason="too_many_alerts",
        )
    envelope = {key: value for key, value in webhook.items() if key != "alerts"}
    if not clean and not _is_text(envelope):
        raise PayloadError(f"the webhook holds {_UNWRITABLE}; send UTF-8, and flat fields", reason="encoding")
    reader = AlertReader(
        envelope=envelope,
        received_time=received_time,
        signal_type=signal_type,
        untargeted=untargeted,
        rules=rules or default_rules(),
        cluster_labels=cluster_labels,
        needs_start=needs_start,
    )
    return Batch(
        entries=Unread(alerts, partial(_entry, reader, clean)),
        source=SOURCE,
        truncated=_truncated(webhook),
        warnings=_warnings(webhook),
    )


def _parse(body: bytes) -> tuple[Any, bool]:
    """Return the value, and whether all its strings are known to be text."""
    try:
        return from_json(body), True
    except ValueError as error:
        if not is_utf8_json(body):
            raise PayloadError(NO_UTF8_JSON, reason="no_json") from None
        try:
            # Slower, but it accepts half a surrogate pair: so only the alert that holds one is poison, not the webhook.
            return json.loads(body), False
        except (ValueError, RecursionError):
            raise PayloadError(f"the body is no JSON: {error}", reason="no_json") from None


def _entry(reader: AlertReader, clean: bool, alert: object, index: int) -> Entry:  # noqa: FBT001 - bound once
    if not clean and not _is_text(alert):
        return Poison("encoding", f"alerts[{index}] holds {_UNWRITABLE}; send UTF-8, and flat fields")
    return reader.read(alert, index)


def _is_text(value: object) -> bool:
    try:
        to_json(value)
    except ValueError:
        return False
    return True


def _truncated(webhook: dict[str, Any]) -> int:
    count = webhook.get("truncatedAlerts")
    return count if _is_count(count) else 0


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT


def _warnings(webhook: dict[str, Any]) -> list[str]:
    warnings = []
    if webhook.get("version") not in (_VERSION, _GRAFANAS_VERSION):
        warnings.append(
            f"webhook version is {excerpt(webhook.get('version'))}, not '4': its alerts are used as they are"
        )
    truncated = webhook.get("truncatedAlerts")
    if truncated is not None and not _is_count(truncated):
        warnings.append(f"truncatedAlerts is {excerpt(truncated)}, no count: ignored")
    return warnings

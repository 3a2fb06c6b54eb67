"""Alertmanager webhooks as batches of signals: version 4, and whatever else carries usable alerts."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic_core import from_json, to_json

from core.adapters.alertmanager_alert import SOURCE, AlertReader
from core.errors import PayloadError, PayloadTooLargeError
from core.models.batch import Batch, Entry, Poison, Unread
from core.text import excerpt

if TYPE_CHECKING:
    from datetime import datetime

MAX_ALERTS = 10_000
"""Of one body, where no setting says otherwise."""

_VERSION = "4"
_LARGEST_COUNT = 2**64 - 1  # truncatedAlerts is a uint64 in Alertmanager; larger ones fit no counter
_UNWRITABLE = "half a surrogate pair, which is no text, or is nested too deeply"


def decode_alertmanager(
    body: bytes,
    *,
    received_time: datetime,
    signal_type: str,
    max_alerts: int = MAX_ALERTS,
    untargeted: str = "ignore",
) -> Batch:
    """Decode a webhook (Alertmanager configuration, `webhook_config`).

    Args:
        body: JSON, as received.
        received_time: timezone-aware; stands in for a missing `startsAt`.
        signal_type: `spec.signalType` of the requests.
        max_alerts: most that a body may have.
        untargeted: `namespace` makes the Namespace the target of an alert that names no other object.

    Returns:
        One entry for each alert, in order, read when it is asked for; a broken alert is Poison in its place.

    Raises:
        PayloadTooLargeError: it has more alerts.
        PayloadError: the body is no JSON object with a list of alerts.
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
    reader = AlertReader(envelope=envelope, received_time=received_time, signal_type=signal_type, untargeted=untargeted)
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
        try:
            # Slower, but it takes half a surrogate pair: then only the alert that holds one is poison.
            return json.loads(body), False
        except (ValueError, RecursionError):
            raise PayloadError(f"the body is no JSON: {error}", reason="no_json") from None


def _entry(reader: AlertReader, clean: bool, alert: object, place: int) -> Entry:  # noqa: FBT001 - bound once
    if not clean and not _is_text(alert):
        return Poison("encoding", f"alerts[{place}] holds {_UNWRITABLE}; send UTF-8, and flat fields")
    return reader.read(alert, place)


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
    if webhook.get("version") != _VERSION:
        warnings.append(
            f"webhook version is {excerpt(webhook.get('version'))}, not '4': its alerts are used as they are"
        )
    truncated = webhook.get("truncatedAlerts")
    if truncated is not None and not _is_count(truncated):
        warnings.append(f"truncatedAlerts is {excerpt(truncated)}, no count: ignored")
    return warnings

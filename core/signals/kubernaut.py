"""Signals as kubernaut's consumers and senders know them (SLUICE_PROFILE=kubernaut)."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

from core.signals.alertmanager import SOURCE as ALERTMANAGER
from core.signals.signal import Entry, Ignored, NormalizedSignal, Poison

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNAL_TYPE = "alert"
"""`spec.signalType` of every signal; `spec.signalSource` tells where it comes from (kubernaut: SourceTypeAlert)."""

PROMETHEUS = "prometheus"
"""`spec.signalSource` of Alertmanager's alerts (kubernaut: PrometheusAdapter.GetSourceService)."""

CLOCK_SKEW = timedelta(minutes=2)
"""How far in the future an alert may begin (kubernaut: clockSkewTolerance)."""

TIMESTAMP = "X-Timestamp"
"""Header with the second in which a request was sent."""


def needs_start(headers: Mapping[str, str]) -> bool:
    """Tell whether the alerts of a webhook must say since when they fire: nothing else tells how old it is, where its
    sender has not said when it sent it (kubernaut: AlertManagerFreshnessValidator).

    Args:
        headers: of the request; names in any case, or in lower case.
    """
    return TIMESTAMP.lower() not in headers


def as_kubernaut(entry: Entry) -> Entry:
    """Return a signal with kubernaut's type and source; an alert that its gateway refuses is poison.

    Its gateway refuses alerts without a name, and alerts that begin in the future. Without the profile both are taken:
    an alert must not be lost because it has no name, or because its sender's clock is wrong.
    """
    if isinstance(entry, Ignored) and entry.nameless:
        return Poison("malformed_alert", _NAMELESS)
    if not isinstance(entry, NormalizedSignal):
        return entry
    if entry.signal_source == ALERTMANAGER and (sentence := _refusal(entry)):
        return Poison("malformed_alert", sentence, entry.labels)
    source = PROMETHEUS if entry.signal_source == ALERTMANAGER else entry.signal_source
    return dataclasses.replace(entry, signal_type=SIGNAL_TYPE, signal_source=source)


_NAMELESS = "labels.alertname is missing; name the alert, or set SLUICE_PROFILE to sluice, which takes it without"


def _refusal(signal: NormalizedSignal) -> str:
    if not signal.labels.get("alertname"):
        return _NAMELESS
    if signal.firing_time > signal.received_time + CLOCK_SKEW:
        return (
            f"startsAt is {signal.firing_time.isoformat()}, more than {CLOCK_SKEW.seconds} seconds in the future: look "
            "at the clock of the Prometheus that sends it"
        )
    return ""

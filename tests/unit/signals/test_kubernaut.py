"""Signals as kubernaut's consumers and senders know them."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from core.signals.kubernaut import CLOCK_SKEW, as_kubernaut
from core.signals.signal import Ignored, NormalizedSignal, Poison
from tests.support.instances import signal


def of_alertmanager(**changed: Any) -> NormalizedSignal:
    given: dict[str, Any] = {"signal_source": "alertmanager", "labels": {"alertname": "HighMemoryUsage"}} | changed
    return dataclasses.replace(signal("cart"), **given)


def test_alert_is_of_prometheus_and_an_event_of_kubernetes_both_of_type_alert():
    of_event = dataclasses.replace(signal("cart"), signal_source="kubernetes-events", signal_type="kubernetes-event")
    told = [as_kubernaut(of_alertmanager()), as_kubernaut(of_event)]
    assert [(each.signal_type, each.signal_source) for each in told if isinstance(each, NormalizedSignal)] == [
        ("alert", "prometheus"),
        ("alert", "kubernetes-events"),
    ]


@pytest.mark.parametrize("labels", [{}, {"alertname": ""}])
def test_alert_without_a_name_is_poison(labels):
    told = as_kubernaut(of_alertmanager(labels=labels))
    assert isinstance(told, Poison)
    assert told.message.startswith("labels.alertname is missing")


def test_alert_that_begins_in_the_future_is_poison_and_one_of_a_clock_a_little_ahead_is_not():
    now = signal("cart").received_time
    ahead = of_alertmanager(firing_time=now + CLOCK_SKEW)
    assert isinstance(as_kubernaut(ahead), NormalizedSignal)
    told = as_kubernaut(dataclasses.replace(ahead, firing_time=now + CLOCK_SKEW + timedelta(seconds=1)))
    assert isinstance(told, Poison)
    assert told.message.startswith("startsAt is ")


@pytest.mark.parametrize("entry", [Ignored("resolved"), Poison("malformed_alert", "broken")])
def test_what_is_no_signal_stays_as_it_is(entry):
    assert as_kubernaut(entry) is entry

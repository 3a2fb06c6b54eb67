"""CloudEvents of any type whose data is one of the forms that are known: both functions take them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.support.cloud_events import binary, structured
from tests.support.kubernetes_events import kubelet_event
from tests.support.pubsub_messages import PUBLISHED, envelope, incident
from tests.unit.functions.answered_events import acknowledged, comes_again, stored
from tests.unit.functions.webhooks import alert, webhook

TYPE = "com.example.alert"
FORMS = [
    (lambda: json.loads(webhook(alert())), "prometheus-alert"),
    (alert, "prometheus-alert"),
    (lambda: kubelet_event(at=datetime.now(UTC)), "kubernetes-event"),
    (incident, "cloud-monitoring-incident"),
]


@pytest.fixture(params=["kubernetes_event", "pubsub"])
def target(request) -> str:
    return str(request.param)


@pytest.mark.parametrize("mode", [binary, structured])
@pytest.mark.parametrize(("data", "signal_type"), FORMS)
async def test_each_known_form_is_stored(function, wire, mode, data, signal_type):
    acknowledged(await function.send(mode(TYPE, data())))
    (rr,) = await stored(wire)
    assert rr["spec"]["signalType"] == signal_type


@pytest.mark.parametrize(("data", "signal_type"), FORMS)
async def test_message_of_pubsub_is_stored_wherever_it_comes(function, wire, data, signal_type):
    acknowledged(await function.send(binary(PUBLISHED, envelope(data()))))
    (rr,) = await stored(wire)
    assert rr["spec"]["signalType"] == signal_type


async def test_event_sent_again_is_not_counted(function, wire):
    for _ in range(3):
        acknowledged(await function.send(binary(TYPE, alert(), id="1")))
    (rr,) = await stored(wire)
    assert rr["status"]["deduplication"]["occurrenceCount"] == 1


async def test_another_event_is_counted_and_so_is_another_alert_under_the_same_id(function, wire):
    acknowledged(await function.send(binary(TYPE, alert(), id="1")))
    acknowledged(await function.send(binary(TYPE, alert(), id="2")))
    acknowledged(await function.send(binary(TYPE, alert("web-2"), id="1")))
    counts = [rr["status"]["deduplication"]["occurrenceCount"] for rr in await stored(wire)]
    assert sorted(counts) == [1, 2]


async def test_event_that_failed_is_stored_when_it_comes_again(function, wire):
    wire.on("LIST remediationrequests", drop=True)
    sent = binary(TYPE, json.loads(webhook(alert())))
    comes_again(await function.send(sent))
    acknowledged(await function.send(sent))
    assert len(await stored(wire)) == 1


@pytest.mark.parametrize("data", [kubelet_event(type="Normal"), alert(status="resolved", labels={}), {"alerts": []}])
async def test_nothing_to_do_is_acknowledged_and_calls_nobody(function, scripted, data):
    acknowledged(await function.send(binary(TYPE, data)))

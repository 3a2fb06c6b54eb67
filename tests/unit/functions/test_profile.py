"""SLUICE_PROFILE=kubernaut, from the webhook to the RR, the answer and the metrics."""

import json

import pytest

from tests.unit.functions.answered_events import stored
from tests.unit.functions.webhooks import alert, webhook


@pytest.fixture
def kubernaut(function, wire):
    """The function with the profile, over an API server of the older group."""
    function.set(profile="kubernaut", group="remediation.kubernaut.ai", owners="as-named")
    return function


async def test_rr_is_as_the_orchestrator_wants_it(kubernaut, wire):
    answer = await kubernaut.post(webhook(alert()))
    assert answer.json["status"] == "created"
    (rr,) = await stored(wire)
    assert (rr["spec"]["signalType"], rr["spec"]["signalSource"]) == ("alert", "prometheus")
    assert json.loads(rr["spec"]["originalPayload"])["alerts"][0]["labels"]["alertname"] == "HighMemoryUsage"
    assert rr["status"]["deduplication"]["occurrenceCount"] == 1


async def test_alert_without_a_name_is_400_and_its_neighbour_is_stored(kubernaut, wire):
    nameless = alert("web-2")
    del nameless["labels"]["alertname"]
    answer = await kubernaut.post(webhook(alert(), nameless))
    assert [line["status"] for line in answer.json["results"]] == ["created", "invalid"]
    assert "labels.alertname is missing" in (await kubernaut.post(webhook(nameless))).problem(400)


async def test_metrics_have_the_names_that_its_dashboards_know(kubernaut, wire):
    await kubernaut.post(webhook(alert()))
    text = (await kubernaut.get("/metrics")).body.decode()
    assert 'gateway_circuit_breaker_state{name="k8s-api"} 0.0' in text
    assert 'gateway_crds_created_total{source_type="alert",status="created"}' in text

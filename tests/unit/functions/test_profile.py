"""SLUICE_PROFILE=kubernaut, from the webhook to the RR, the answer and the metrics."""

import json
from datetime import UTC, datetime

import pytest

from tests.unit.functions.answered_events import stored
from tests.unit.functions.conftest import Function
from tests.unit.functions.webhooks import alert, webhook


@pytest.fixture
def kubernaut(function, wire):
    """The function with the profile, over an API server of the older group."""
    function.set(profile="kubernaut", group="remediation.kubernaut.ai", owners="as-named")
    return function


@pytest.fixture
def secret(kubernaut, tmp_path):
    """The same behind a shared secret; returns the header that knows it."""
    path = tmp_path / "secret"
    path.write_text("0123456789abcdef0123456789abcdef\n")
    kubernaut.set(auth="secret", secret_file=path)
    return {"Authorization": "Bearer 0123456789abcdef0123456789abcdef"}


def without_start() -> bytes:
    timeless = alert()
    del timeless["startsAt"]
    return webhook(timeless)


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
    del nameless["labels"]["pod"]  # it names no object either
    assert "labels.alertname is missing" in (await kubernaut.post(webhook(nameless))).problem(400)
    assert (await kubernaut.post(webhook(alert(labels={"alertname": "Watchdog"})))).status == 200


async def test_metrics_have_the_names_that_its_dashboards_know(kubernaut, wire):
    await kubernaut.post(webhook(alert()))
    text = (await kubernaut.get("/metrics")).body.decode()
    assert 'gateway_circuit_breaker_state{name="k8s-api"} 0.0' in text
    assert 'gateway_crds_created_total{source_type="prometheus",status="created"}' in text
    assert 'gateway_signals_received_total{severity="critical",source_type="prometheus"}' in text


async def test_metrics_say_of_scope_and_owners_what_its_dashboards_know(kubernaut, wire):
    kubernaut.set(owners="resolve", scope_label="kubernaut.ai/managed=true")
    before = await counted(kubernaut)
    assert (await kubernaut.post(webhook(alert()))).json["status"] == "rejected"
    after = await counted(kubernaut)
    wanted = {'rejected_total{reason="unmanaged_resource"}', 'owner_resolution_total{kind="Pod",outcome="success"}'}
    assert {name for name in after if after[name] != before.get(name, "")} == wanted


async def counted(function: Function) -> dict[str, str]:
    """The series of rejected signals and of looks for owners."""
    lines = (await function.get("/metrics")).body.decode().splitlines()
    found = [line.removeprefix("gateway_").removeprefix("signals_").rsplit(" ", 1) for line in lines]
    return {name: value for name, value in found if name.startswith(("rejected_total", "owner_resolution_total"))}


async def test_alert_needs_a_start_where_nothing_else_says_how_old_it_is(kubernaut, wire):
    assert "alerts[0].startsAt is None" in (await kubernaut.post(without_start())).problem(400)
    assert wire.log == []
    stamp = str(int(datetime.now(UTC).timestamp()))
    assert (await kubernaut.post(without_start(), X_Timestamp=stamp)).status == 201


async def test_resolved_alert_needs_no_start(kubernaut, wire):
    ended = alert(status="resolved")
    del ended["startsAt"]
    assert (await kubernaut.post(webhook(ended))).status == 200


async def test_without_the_profile_no_alert_needs_a_start(function, wire):
    assert (await function.post(without_start())).status == 201


PREFLIGHT = {"Origin": "https://dashboard.example.com", "Access-Control-Request-Method": "POST"}


class TestPagesOfOtherOrigins:
    async def test_are_told_that_they_may_send(self, kubernaut, secret):
        for path in ("/", "/api/v1/signals/prometheus", "/api/v1/signals/kubernetes-event"):
            answer = await kubernaut.call("OPTIONS", path, **PREFLIGHT)
            assert (answer.status, answer.body) == (204, b"")
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.headers["Access-Control-Allow-Methods"] == "POST"
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]

    async def test_may_read_the_answer_but_must_prove_who_they_are(self, kubernaut, secret):
        refused = await kubernaut.post(webhook(alert()), Origin="https://dashboard.example.com")
        assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, "*")
        stored = await kubernaut.post(webhook(alert()), **secret)
        assert (stored.status, stored.headers["Access-Control-Allow-Origin"]) == (201, "*")
        assert "Access-Control-Allow-Credentials" not in stored.headers

    async def test_learn_nothing_of_probes_and_other_paths(self, kubernaut, secret):
        for path in ("/healthz", "/readyz", "/metrics", "/nothing"):
            answer = await kubernaut.call("GET", path, Origin="https://dashboard.example.com")
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert (await kubernaut.call("OPTIONS", path, **PREFLIGHT)).status in (404, 405)

    async def test_may_not_where_nobody_has_to_prove_who_he_is(self, kubernaut):
        answer = await kubernaut.call("OPTIONS", "/", **PREFLIGHT)
        assert answer.status == 405
        assert "Access-Control-Allow-Origin" not in answer.headers

    async def test_may_not_without_the_profile(self, function, wire, tmp_path):
        (tmp_path / "secret").write_text("0123456789abcdef0123456789abcdef\n")
        function.set(auth="secret", secret_file=tmp_path / "secret")
        answer = await function.call("OPTIONS", "/", **PREFLIGHT)
        assert answer.status == 405
        assert not {"Access-Control-Allow-Origin", "X-XSS-Protection"} & answer.headers.keys()

    async def test_options_that_is_no_preflight_is_405(self, kubernaut, secret):
        assert (await kubernaut.call("OPTIONS", "/", Origin="https://dashboard.example.com")).status == 405


async def test_every_answer_has_the_header_of_older_browsers(kubernaut):
    assert (await kubernaut.get("/healthz")).headers["X-XSS-Protection"] == "1; mode=block"

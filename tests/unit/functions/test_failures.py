"""Whatever goes wrong is answered 503 with Retry-After, in a sentence, and logged; never with a stack trace."""

import json
from typing import Any

import pytest

from core.kube.errors import ApiUnreachableError
from core.triggers import webhook as webhook_trigger
from tests.support.scripted import TOO_LONG, answered, refused
from tests.unit.functions.webhooks import alert, webhook

LIST = "LIST remediationrequests"
CREATE_LEASE = "CREATE leases"


def logged(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_unforeseen_error_is_logged_with_its_trace_and_answered_without(function, scripted, capsys, monkeypatch):
    def broken(*_args: object, **_more: object) -> None:
        raise KeyError("a bug with a secret in it")

    monkeypatch.setattr(webhook_trigger, "answer", broken)
    response = await function.post(webhook(alert(status="resolved", labels={})))
    assert response.problem(503) == "an unforeseen error; it is logged, and the same request may work later"
    assert response.headers["Retry-After"] == "5"
    assert b"secret" not in response.body
    (line,) = logged(capsys)
    assert line["severity"] == "ERROR"
    assert line["stack_trace"].endswith("KeyError: 'a bug with a secret in it'")


async def test_bug_while_an_alert_is_stored_reaches_its_sender_as_503(function, scripted):
    scripted.then(LIST, KeyError("a bug"))
    response = await function.post(webhook(alert()))
    assert response.problem(503).startswith("an unforeseen error")


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (answered(404, b"404 page not found\n"), "apply knative/cluster/crd.yaml to the cluster"),
        (refused(403, "Forbidden", message="no"), 'resources: ["remediationrequests"], verbs: ["list"]'),
        (refused(503, message="etcd is down"), "etcd is down"),
        (ApiUnreachableError("the Kubernetes API did not answer"), "the Kubernetes API did not answer"),
        (answered(200, b"<html>"), "is no Kubernetes object; the gateway's log has its beginning"),
    ],
)
async def test_api_server_that_fails_is_told_in_the_answer_and_the_log(function, scripted, capsys, said, remedy):
    scripted.then(LIST, said)
    response = await function.post(webhook(alert()))
    detail = response.problem(503)
    assert detail.startswith("1 of 1 alerts could not be stored now; send the same request again: ")
    assert remedy in detail
    assert response.headers["Retry-After"] == "1"
    (result,) = response.json["results"]
    assert result["status"] == "failed"
    assert remedy in result["error"]
    (line,) = logged(capsys)
    assert (line["severity"], line["fingerprint"]) == ("ERROR", result["fingerprint"])
    assert "stack_trace" not in line


async def test_wait_that_the_api_server_asks_for_is_passed_on(function, scripted):
    scripted.then(LIST, refused(429, "TooManyRequests", Retry_After="17"))
    response = await function.post(webhook(alert()))
    assert response.problem(503)
    assert response.headers["Retry-After"] == "17"


async def test_one_failed_alert_makes_the_whole_webhook_come_again(function, scripted):
    scripted.then(LIST, refused(503))
    response = await function.post(webhook(alert(status="resolved"), alert(), {}))
    assert response.problem(503).startswith("1 of 3 alerts could not be stored now")
    assert [line["status"] for line in response.json["results"]] == ["ignored", "failed", "invalid"]


@pytest.mark.parametrize(("settings", "seconds"), [({}, 30), ({"breaker_open": 7}, 7)])
async def test_open_breaker_answers_at_once_says_why_and_when_to_come_again(
    function, scripted, capsys, settings, seconds
):
    function.set(**settings)
    for number in range(10):
        scripted.then(LIST, ApiUnreachableError("no answer"))
        await function.post(webhook(alert(f"web-{number}")))
    response = await function.post(webhook(alert()))
    assert "the circuit breaker is open" in response.problem(503)
    assert "a moment ago; the last failure: the Kubernetes API did not answer; the gateway's" in response.problem(503)
    assert "a moment ago; the last failure: no answer" in logged(capsys)[-1]["message"]
    assert seconds - 1 <= int(response.headers["Retry-After"]) <= seconds


async def test_outage_and_recovery_lose_nothing(function, wire):
    for _ in range(3):
        wire.on("LIST remediationrequests", drop=True)
        assert (await function.post(webhook(alert()))).status == 503
    wire.on("CREATE remediationrequests", answer=refused(403, "Forbidden"))
    assert (await function.post(webhook(alert()))).status == 503
    assert (await function.post(webhook(alert()))).status == 201
    assert (await function.post(webhook(alert()))).json["results"][0]["metadata"]["count"] == 2


async def test_object_that_the_api_server_refuses_for_ever_is_poison(function, wire):
    wire.on(
        "CREATE remediationrequests",
        answer=refused(422, "Invalid", message="spec.severity: too long", details=TOO_LONG),
    )
    response = await function.post(webhook(alert()))
    assert "spec.severity: too long" in response.problem(400)
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (
            {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
            "0af7651916cd43dd8448eb211c80319c",
        ),
        ({"X-Cloud-Trace-Context": "105445aa7843bc8bf206b12000100000/1;o=1"}, "105445aa7843bc8bf206b12000100000"),
        ({"traceparent": "nonsense"}, None),
        ({"traceparent": "00-a-b-c"}, None),
        ({"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}, None),
        ({"traceparent": f"ff-{'a' * 32}-b7ad6b7169203331-01"}, None),
        ({"traceparent": f"00-{'A' * 32}-b7ad6b7169203331-01"}, None),
        ({"traceparent": f"00-{'a' * 40_000}-b7ad6b7169203331-01"}, None),
        ({"traceparent": f"01-{'a' * 32}-b7ad6b7169203331-01-more"}, "a" * 32),
        ({"x-cloud-trace-context": "projects/p/traces/x"}, None),
        ({"x-cloud-trace-context": "x" * 10_000}, None),
        ({}, None),
    ],
)
async def test_log_lines_carry_the_trace_of_their_request(function, scripted, capsys, header, trace):
    await function.post(b"no JSON", **header)
    (line,) = logged(capsys)
    assert line.get("logging.googleapis.com/trace") == trace
    assert line["reason"] == "no_json"

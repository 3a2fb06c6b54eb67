"""The whole way in one process: a webhook in, requests stored, one result per alert out."""

import pytest

from tests.unit.functions.webhooks import alert, webhook

OVER = alert(status="resolved", labels={"alertname": "Over"})
"""Has ended, and is about no object that an RR could be about."""


@pytest.mark.parametrize("path", ["/", "/api/v1/signals/prometheus"])
async def test_first_alert_is_created_and_its_repeat_is_a_duplicate(function, wire, path):
    first = await function.post(webhook(alert()), path)
    second = await function.post(webhook(alert()), path)
    assert (first.status, second.status) == (201, 202)
    assert first.headers["content-type"] == second.headers["content-type"] == "application/json"
    (created,), (repeated,) = first.json["results"], second.json["results"]
    assert (created["status"], repeated["status"]) == ("created", "deduplicated")
    assert (created["duplicate"], repeated["duplicate"]) == (False, True)
    assert created["remediationRequestName"] == repeated["remediationRequestName"]
    assert created["remediationRequestNamespace"] == "sluice-system"
    assert created["fingerprint"] == repeated["metadata"]["fingerprint"]
    assert (created["metadata"]["count"], repeated["metadata"]["count"]) == (1, 2)
    assert first.json["summary"]["created"] == second.json["summary"]["deduplicated"] == 1


async def test_each_alert_of_a_group_has_its_result_in_its_place(function, wire):
    body = webhook(
        alert("web-1"),
        alert("web-2", status="resolved"),
        {"labels": {}, "status": "firing"},
        alert("web-1"),
        alert("web-3"),
    )
    answered = await function.post(body)
    assert answered.status == 201
    assert [line["status"] for line in answered.json["results"]] == [
        "created",
        "ignored",
        "ignored",
        "deduplicated",
        "created",
    ]
    assert [line["reason"] for line in answered.json["results"][1:3]] == ["resolved", "no_target"]
    assert answered.json["results"][2]["detail"].startswith("no label names a target")


@pytest.mark.parametrize("body", [webhook(), webhook(OVER), webhook(OVER, OVER)])
async def test_nothing_to_do_is_a_success_that_calls_nobody(function, scripted, body):
    answered = await function.post(body)
    assert answered.status == 200
    assert answered.json["summary"]["created"] == 0


async def test_truncated_alerts_are_told_counted_and_warned_of(function, wire, capsys):
    answered = await function.post(webhook(alert(), truncatedAlerts=7))
    assert answered.json["summary"]["truncated"] == 7
    assert "7 alerts were cut off by the sender" in capsys.readouterr().out


async def test_content_type_may_be_missing_or_say_utf8(function, wire):
    for content_type in (
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/vnd.x+json",
    ):
        assert (await function.post(webhook(alert()), Content_Type=content_type)).status < 300


async def test_body_may_come_in_any_pieces(function, wire):
    body = webhook(alert())
    answered = await function.post([body[index : index + 7] for index in range(0, len(body), 7)])
    assert answered.status == 201


async def test_thousands_of_alerts_in_one_webhook_are_grouped_and_stored(function, wire):
    body = webhook(*(alert(f"web-{number % 50}") for number in range(10_000)))
    answered = await function.post(body)
    assert answered.status == 201
    assert (
        answered.json["summary"] | {"created": 50, "deduplicated": 9_950, "received": 10_000, "failed": 0}
        == (answered.json["summary"])
    )
    assert wire.log.count("CREATE remediationrequests") == 50
    assert wire.log.count("PATCH remediationrequests/status") == 50


async def test_connections_are_made_at_the_first_alert_and_kept_for_the_next(function, wire):
    await function.get("/healthz")
    assert function.transports == []
    await function.post(webhook(alert()))
    await function.post(webhook(alert()))
    (made,) = function.transports
    assert made["server"] == "http://127.0.0.1:1"
    assert made["connections"] == 100
    assert made["user_agent"].startswith("sluice/")

"""Whatever is sent, the answer is JSON with a documented code; and a bad alert never blocks a good one."""

import json

import pytest

from tests.unit.functions.webhooks import alert, webhook

GOOD = alert("web-1")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "the body is no JSON"),
        (b"alerts: []", "the body is no JSON"),
        (b'{"alerts": [', "the body is no JSON"),
        (b"<xml/>", "the body is no JSON"),
        (webhook(GOOD)[:-5], "the body is no JSON"),
        (webhook(GOOD) + b"}", "the body is no JSON"),
        (b"\x00", "the body is no JSON"),
        (b"\xff\xfe\x00", "the body is no JSON"),
        (b'{"alerts": ["\xc3("]}', "the body is no JSON"),
        (webhook(GOOD).replace(b"memory is short", b"\xe4\xf6\xfc"), "the body is no JSON"),
        (b"[" * 100_000, "the body is no JSON"),
        (b'{"a":' * 100_000, "the body is no JSON"),
        (b"[]", "the body is []"),
        (b"null", "the body is None"),
        (b"17", "the body is 17"),
        (b'"alerts"', "the body is 'alerts'"),
        (b"{}", "alerts is None"),
        (b'{"version": "4", "status": "firing"}', "alerts is None"),
        (b'{"alerts": null}', "alerts is None"),
        (b'{"alerts": {"0": 1}}', "alerts is {'0': 1}"),
        (b'{"alerts": "none"}', "alerts is 'none'"),
        (b'{"groupKey": "\\ud800", "alerts": []}', "half a surrogate pair"),
    ],
)
async def test_body_that_can_never_work_is_refused_with_the_reason(function, scripted, body, detail):
    answered = await function.post(body)
    assert detail in answered.problem(400)
    assert "Retry-After" not in answered.headers
    assert answered.json["results"] == []


@pytest.mark.parametrize(
    "broken",
    [
        None,
        7,
        "text",
        [],
        {},
        {"status": "firing"},
        {"labels": None},
        {"labels": []},
        {"labels": {"pod": None}},
        {"labels": {"pod": 7}},
        alert(status="exploded"),
        alert(status=7),
        alert(annotations={"summary": "half a pair \ud800"}),
        alert(labels={"namespace": "prod", "pod": "web-1", "note": "\udfff"}),
    ],
)
async def test_broken_alert_is_reported_in_its_place_and_blocks_nobody(function, wire, broken):
    answered = await function.post(webhook(alert("a"), broken, alert("b")))
    assert answered.status == 201
    assert [line["status"] for line in answered.json["results"]] == ["created", "invalid", "created"]
    assert answered.json["results"][1]["error"].startswith("alerts[1]")
    assert b"Traceback" not in answered.body


@pytest.mark.parametrize(
    "labels",
    [
        {"alertname": "NoTarget"},
        {"namespace": "prod", "pod": "Not A Name"},
        {"namespace": "prod", "pod": "x" * 254},
        {"namespace": "prod", "pod": "../../etc"},
        {"namespace": "Not A Namespace", "pod": "web-1"},
        {"pod": "web-1"},
        {"namespace": "prod", "pod": "web-1\x00"},
        {"namespace": "prod", "pod": "web-1\n"},
    ],
)
async def test_alert_that_names_no_object_is_ignored_however_it_is_grouped(function, wire, labels):
    alone = await function.post(webhook(alert(labels=labels)))
    assert alone.status == 200
    assert [(line["status"], line["reason"]) for line in alone.json["results"]] == [("ignored", "no_target")]
    grouped = await function.post(webhook(alert("a"), alert(labels=labels), alert("b")))
    assert grouped.status == 201
    assert [line["status"] for line in grouped.json["results"]] == ["created", "ignored", "created"]


async def test_body_of_nothing_but_poison_is_refused_and_never_comes_again(function, scripted):
    answered = await function.post(webhook({}, {"labels": {"pod": 7}}))
    assert answered.problem(400).startswith("no alert in this body can ever be stored: alerts[0]")
    assert "Retry-After" not in answered.headers
    assert [line["status"] for line in answered.json["results"]] == ["invalid", "invalid"]


@pytest.mark.parametrize(
    "odd",
    [
        alert(startsAt=None),
        alert(startsAt=""),
        alert(startsAt="yesterday"),
        alert(startsAt=0),
        alert(startsAt="0001-01-01T00:00:00Z"),
        alert(startsAt="2026-01-02T03:04:05"),
        alert(startsAt="9999-12-31T23:59:59-14:00"),
        {key: value for key, value in GOOD.items() if key != "startsAt"},
        alert(annotations=None),
        alert(annotations="none"),
        alert(annotations={"value": 3}),
        alert(annotations={"summary": "nul \x00 and emoji 😀"}),
        alert(annotations={"summary": "ä" * 300_000}),
        alert(labels=GOOD["labels"] | {"alertname": "ä" * 1000, "severity": "s" * 1000, "note": "n" * 1000}),
        alert(labels=GOOD["labels"] | {"alertname": "", "severity": ""}),
        alert(labels=GOOD["labels"] | {"cluster": "c" * 1000}),
        alert(labels=GOOD["labels"] | {f"label_{number}": "x" for number in range(1000)}),
        alert(endsAt=7, generatorURL=None, fingerprint={}),
        alert(unknown={"newer": ["field"]}, deep=json.loads("[" * 100 + "]" * 100)),
        alert(big=10**400, small=-(10**400), real=1e308),
    ],
)
async def test_odd_alert_is_stored_all_the_same(function, wire, odd):
    answered = await function.post(webhook(odd))
    assert answered.status == 201, answered.body


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1" + "0" * 5000, "0.1e-400", "-0", "1E+2", "123456789012345678901234567890"]
)
async def test_huge_numbers_are_answered_like_any_other_field(function, wire, number):
    body = webhook(GOOD).replace(b'"endsAt": "0001-01-01T00:00:00Z"', f'"endsAt": {number}'.encode())
    assert number.encode() in body
    answered = await function.post(body)
    assert answered.status in (201, 400)
    assert answered.json


@pytest.mark.parametrize("count", ["10" * 200, "1e400", "-7", "0", "null", "true", '"7"', "1.5", "9223372036854775808"])
async def test_any_count_of_truncated_alerts_is_answered(function, wire, count):
    body = webhook(GOOD).replace(b'"truncatedAlerts": 0', f'"truncatedAlerts": {count}'.encode())
    answered = await function.post(body)
    assert answered.status == 201, answered.body


@pytest.mark.parametrize("depth", [150, 250, 500, 900, 2_000, 100_000])
@pytest.mark.parametrize("place", ["alert", "envelope"])
async def test_nesting_of_any_depth_is_answered(function, wire, depth, place):
    deep = "[" * depth + "]" * depth
    mark = (
        b'"endsAt": "0001-01-01T00:00:00Z"'
        if place == "alert"
        else b'"groupKey": "{}:{alertname=\\"HighMemoryUsage\\"}"'
    )
    name = b'"endsAt": ' if place == "alert" else b'"groupKey": '
    body = webhook(GOOD, alert("web-2")).replace(mark, name + deep.encode(), 1)
    assert deep.encode() in body
    answered = await function.post(body)
    assert answered.status in (201, 400), answered.body
    assert b"Traceback" not in answered.body
    assert answered.json


@pytest.mark.parametrize("version", ["3", "5", 4, None, "", ["4"]])
async def test_other_versions_that_carry_usable_alerts_are_taken(function, wire, version):
    assert (await function.post(webhook(GOOD, version=version))).status == 201


async def test_doubled_keys_are_no_harm(function, wire):
    body = webhook(GOOD).replace(b'"alerts": [', b'"alerts": [], "alerts": [')
    assert (await function.post(body)).status == 201


async def test_byte_order_mark_is_answered(function, wire):
    answered = await function.post(b"\xef\xbb\xbf" + webhook(GOOD))
    assert answered.status in (201, 400)
    assert answered.json

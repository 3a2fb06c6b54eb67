"""An Event on an RR costs no alert: whatever becomes of it, the answer is the same."""

from __future__ import annotations

import asyncio
import json

import pytest

from core.kube.client import path_of
from core.kube.resources import CORE_EVENTS
from core.kube.transport import ApiRequest
from tests.support.scripted import refused
from tests.support.wire import deliver
from tests.unit.functions.conftest import NAMESPACE
from tests.unit.functions.webhooks import alert, webhook


@pytest.mark.parametrize(
    ("failure", "lines"),
    [
        ({"answer": refused(403, "Forbidden", message="no")}, 1),
        ({"answer": refused(500, message="etcd is down")}, 1),
        ({"drop": True}, 1),
        ({"answer": refused(409, "AlreadyExists")}, 0),
    ],
)
def test_event_that_cannot_be_written_costs_a_line_in_the_log(function, wire, capsys, failure, lines):
    function.set(rr_events="write")
    wire.on("CREATE events", **failure)

    assert asyncio.run(function.post(webhook(alert()))).status == 201

    assert wire.log.count("CREATE events") == 1
    warned = [each for each in map(json.loads, capsys.readouterr().out.splitlines()) if each["severity"] == "WARNING"]
    assert len(warned) == lines
    assert all(each["message"].startswith("no Event on RR rr-") for each in warned)


def test_answer_waits_for_no_event_and_the_worker_ends_after_it(function, wire):
    function.set(rr_events="write")
    answered: list[int] = []

    async def serve() -> None:
        let_go = asyncio.Event()
        wire.on("CREATE events", before=let_go.wait)
        answered.append((await function.post(webhook(alert()))).status)
        let_go.set()

    asyncio.run(serve())
    assert answered == [201]
    assert wire.log.count("CREATE events") == 1
    assert wire.closed


# The API server in this process reads its requests with a generator; a real one does so elsewhere.
@pytest.mark.filterwarnings("ignore:asynchronous generator:ResourceWarning")
def test_event_that_is_being_written_when_the_worker_ends_is_written_all_the_same(function, wire):
    function.set(rr_events="write")
    held = asyncio.Event()
    wire.on("CREATE events", before=held.wait)  # the loop ends meanwhile, and with it every task

    assert asyncio.run(function.post(webhook(alert()))).status == 201

    path = path_of(CORE_EVENTS, namespace=NAMESPACE)
    events = json.loads(asyncio.run(deliver(wire.app, ApiRequest(method="GET", path=path))).body)["items"]
    assert [event["reason"] for event in events] == ["Created"]
    assert wire.closed


def test_events_that_fail_again_and_again_open_no_breaker_for_alerts(function, wire):
    function.set(rr_events="write")
    for _ in range(30):
        wire.on("CREATE events", answer=refused(500, message="the webhook of events is down"))

    async def serve() -> list[int]:
        return [(await function.post(webhook(alert(f"web-{number}")))).status for number in range(30)]

    assert asyncio.run(serve()) == [201] * 30

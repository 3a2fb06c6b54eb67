"""Audit events of a function: told at once, in order, and at no alert's expense."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from core import audit
from tests.support.scripted import refused, reviewed
from tests.support.sink import Sink
from tests.unit.functions.test_traces import in_a_process
from tests.unit.functions.webhooks import alert, webhook

if TYPE_CHECKING:
    from tests.unit.functions.conftest import Function

PATH = "/api/v1/signals/prometheus"


@pytest.fixture
def sink(function):
    with Sink() as listening:
        function.set(audit_sink=listening.url)
        yield listening


def served(function: Function, *bodies: bytes, **headers: str) -> list[int]:
    """Post bodies one after another to a function that then ends."""

    async def serve() -> list[int]:
        return [(await function.post(body, PATH, **headers)).status for body in bodies]

    return asyncio.run(serve())


def test_new_alert_and_its_repeat_are_told_with_who_sent_them(function, wire, sink):
    function.set(auth="kubernetes")
    user = {"username": "system:serviceaccount:monitoring:alertmanager"}
    wire.on("CREATE tokenreviews", answer=reviewed({"authenticated": True, "user": user}))
    wire.on("CREATE subjectaccessreviews", answer=reviewed({"allowed": True}))
    bodies = [webhook(alert())] * 2
    assert served(function, *bodies, Authorization="Bearer good", X_Request_ID="deploy-42") == [201, 202]

    assert sink.kinds == ["signal.received", "crd.created", "signal.received", "signal.deduplicated"]
    created, repeat = sink.events[1]["data"], sink.events[3]["data"]
    assert created["remediationRequest"] == repeat["remediationRequest"]
    assert created["fingerprint"] == repeat["fingerprint"]
    assert (created["outcome"], repeat["outcome"], repeat["occurrence"]) == ("created", "deduplicated", 2)
    assert {event["data"]["sender"] for event in sink.events} == {user["username"]}
    assert {event["data"]["requestId"] for event in sink.events} == {"deploy-42"}


def test_alert_that_cannot_be_stored_is_told_with_why(function, wire, sink):
    for _ in range(3):
        wire.on("CREATE remediationrequests", answer=refused(500, message="etcd is down"))
    assert served(function, webhook(alert())) == [503]
    assert sink.kinds == ["signal.received", "crd.failed"]
    assert "etcd is down" in sink.events[1]["data"]["message"]


def test_alerts_that_ask_for_nothing_are_not_told_and_broken_ones_are(function, wire, sink):
    broken = alert() | {"labels": "none"}
    assert served(function, webhook(alert(status="resolved"), broken)) == [200]
    assert sink.kinds == ["signal.received", "signal.rejected"]


def test_answers_wait_for_no_sink(function, wire, sink, monkeypatch):
    monkeypatch.setattr(audit, "FLUSH_SECONDS", 0.05)
    sink.silent = True
    bodies = [webhook(alert(f"web-{number}")) for number in range(30)]
    assert served(function, *bodies) == [201] * 30
    assert len(sink.events) == 1
    assert wire.closed


def test_calls_to_the_api_server_are_the_same_ones(function, wire, sink):
    assert served(function, webhook(alert()), webhook(alert())) == [201, 202]
    told, wire.log[:] = list(wire.log), []
    assert sink.events
    again = type(function)(function._monkeypatch)
    again.set(audit_sink="")
    assert served(again, webhook(alert("web-2")), webhook(alert("web-2"))) == [201, 202]
    assert wire.log == told


def test_off_loads_nothing_of_it(tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{current-context: t, contexts: [{name: t, context: {cluster: t}}],"
        ' clusters: [{name: t, cluster: {server: "http://127.0.0.1:1"}}]}'
    )
    modules = json.loads(in_a_process({"KUBECONFIG": str(kubeconfig)}))
    assert "core.gateway" in modules
    assert "core.audit" not in modules

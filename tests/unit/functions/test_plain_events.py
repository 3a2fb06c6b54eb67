"""The function `alertmanager` takes plain Kubernetes Events too, at a path of their own."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.kubernetes_events import controller_event, kubelet_event, node_event, scheduler_event
from tests.support.scripted import refused as refusal
from tests.unit.functions.answered_events import stored
from tests.unit.functions.webhooks import alert, webhook

if TYPE_CHECKING:
    from tests.unit.functions.asgi import Answered
    from tests.unit.functions.conftest import Function

PATH = "/api/v1/signals/kubernetes-event"


@pytest.fixture
def now():
    return datetime.now(UTC)


async def post(function: Function, event: Any, **headers: str) -> Answered:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return await function.post(body, PATH, **headers)


@pytest.mark.parametrize("make", [kubelet_event, scheduler_event, controller_event, node_event])
async def test_warning_becomes_an_rr(function, wire, now, make):
    answered = await post(function, make(at=now))
    assert answered.status == 201
    (rr,) = await stored(wire)
    (result,) = answered.json["results"]
    assert (result["status"], result["remediationRequestName"]) == ("created", rr["metadata"]["name"])
    assert rr["spec"]["signalType"] == "kubernetes-event"


async def test_event_without_kind_and_version_is_taken(function, wire, now):
    event = kubelet_event(at=now)
    del event["kind"], event["apiVersion"]
    assert (await post(function, event)).status == 201


async def test_occurrence_sent_again_is_not_counted(function, wire, now):
    event = kubelet_event(at=now)
    assert [(await post(function, event)).status for _ in range(3)] == [201, 200, 200]
    assert (await post(function, event | {"count": 8})).status == 202
    (rr,) = await stored(wire)
    assert rr["status"]["deduplication"]["occurrenceCount"] == 2


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (lambda now: kubelet_event(at=now, type="Normal"), "normal_event"),
        (lambda _: kubelet_event(), "old_event"),
        (lambda now: kubelet_event(at=now, involvedObject=None), "no_target"),
    ],
)
async def test_nothing_to_do_calls_nobody(function, scripted, now, event, reason):
    answered = await post(function, event(now))
    assert answered.status == 200
    assert [(each["status"], each["reason"]) for each in answered.json["results"]] == [("ignored", reason)]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body is b'', no JSON ("),
        (b"{", "the body is b'{', no JSON ("),
        (b'{"message": "\\ud800"}', "no JSON ("),
        (b"[" * 100_000, "no JSON ("),
        (b"[]", "the body is []; send one Event"),
        (b"null", "the body is None; send one Event"),
        (b"{}", "the body has neither involvedObject nor regarding, it is {}"),
        (webhook(alert()), "the body has neither involvedObject nor regarding, it is "),
        ({"kind": "Pod", "regarding": {}}, "kind is 'Pod'; send one Event"),
        ({"kind": "EventList", "items": []}, "kind is 'EventList'"),
        ({"kind": ["Event"], "regarding": {}}, "kind is ['Event']"),
    ],
)
async def test_what_is_no_event_is_refused_with_a_sentence(function, scripted, body, sentence):
    detail = (await post(function, body)).problem(400)
    assert sentence in detail
    assert detail.endswith("; send one Event of core/v1 or events.k8s.io/v1 as a JSON object")


@pytest.mark.parametrize("fields", [{"type": 7}, {"involvedObject": 7}, {"count": float("nan")}])
async def test_broken_event_is_poison(function, scripted, fields):
    answered = await post(function, kubelet_event(**fields))
    assert answered.problem(400).startswith("no alert in this body can ever be stored: Event.")
    assert [each["status"] for each in answered.json["results"]] == ["invalid"]


async def test_what_cannot_be_stored_now_is_to_be_sent_again(function, scripted, now):
    scripted.then("LIST remediationrequests", refusal(503, message="etcd is down"))
    answered = await post(function, kubelet_event(at=now))
    assert "etcd is down" in answered.problem(503)
    assert answered.headers["Retry-After"] == "1"


async def test_admission_is_that_of_the_other_paths(function, scripted, now):
    function.set(auth="kubernetes")
    answered = await post(function, kubelet_event(at=now))
    assert answered.problem(401)
    assert answered.chunks_read == 0


async def test_limits_are_those_of_the_other_paths(function, scripted, now):
    function.set(max_body=1024)
    assert (await post(function, b" " * 1025)).problem(413)
    assert (await post(function, gzip.compress(b" " * 1025), Content_Encoding="gzip")).problem(413)
    assert (await post(function, kubelet_event(at=now), Content_Type="text/plain")).problem(415)


async def test_webhooks_go_on_beside_it(function, wire, now):
    assert (await post(function, kubelet_event(at=now))).status == 201
    assert (await function.post(webhook(alert()))).status == 201
    assert len(await stored(wire)) == 2

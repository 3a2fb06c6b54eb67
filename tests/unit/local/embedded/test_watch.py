"""What a watch does that no contract test can wait for."""

import json
from typing import Any

import pytest

from core.local.embedded import Call, EmbeddedApi
from core.local.embedded.kinds import BUILTIN, Kind
from core.local.embedded.statuses import ApiError
from tests.unit.local.embedded.conftest import LEASES, Caller


def kind_of_leases() -> Kind:
    return next(kind for kind in BUILTIN if kind.kind == "Lease")


def events(caller: Caller, **query: str) -> list[Any]:
    answer = caller.answer("GET", LEASES, watch="true", **query)
    return [json.loads(line) for line in answer.body.splitlines()]


def test_a_revision_whose_past_is_forgotten_is_told_in_the_stream(api: EmbeddedApi, caller: Caller):
    first = caller.lease("l-1")["metadata"]["resourceVersion"]
    caller.lease("l-2")
    api.store.collection(kind_of_leases()).forget(api.store.revision)
    (event,) = events(caller, resourceVersion=first)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"] == f"too old resource version: {first} ({api.store.revision})"


def test_the_present_can_be_watched_however_much_is_forgotten(api: EmbeddedApi, caller: Caller):
    caller.lease("l-1")
    api.store.collection(kind_of_leases()).forget(api.store.revision)
    assert [event["type"] for event in events(caller)] == ["ADDED"]


def test_the_past_is_bounded(api: EmbeddedApi, caller: Caller):
    before = api.store.revision
    caller.lease("l-1")
    collection = api.store.collection(kind_of_leases())
    (change,) = collection.since(before)
    for _ in range(40_000):
        collection.commit(change)
    with pytest.raises(ApiError, match="too old resource version"):
        collection.since(before)


def test_events_are_sent_as_they_happen_until_the_watch_ends(api: EmbeddedApi, caller: Caller):
    watch = api.open_watch(Call(method="GET", path=LEASES, query={"watch": "1"}))
    assert watch is not None
    sent: list[bytes] = []
    first, end = watch.start(sent.append)
    assert first == []
    caller.lease("l-1")
    caller.call("DELETE", f"{LEASES}/l-1")
    end()
    caller.lease("l-2")
    told = [(event["type"], event["object"]["metadata"]["name"]) for event in map(json.loads, sent)]
    assert told == [("ADDED", "l-1"), ("DELETED", "l-1")]


def test_a_call_for_something_else_opens_no_watch(api: EmbeddedApi):
    assert api.open_watch(Call(method="GET", path=LEASES)) is None
    assert api.open_watch(Call(method="POST", path=LEASES, query={"watch": "1"})) is None
    assert api.open_watch(Call(method="GET", path="/readyz", query={"watch": "1"})) is None
    assert api.open_watch(Call(method="GET", path="/apis/no.such/v1/things", query={"watch": "1"})) is None

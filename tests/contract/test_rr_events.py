"""The Event on a new RR, on both servers: best effort, beside the answer, and never a signal."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.protocol.rr_events import MOST_AT_ONCE
from core.results import Status
from core.signals.kubernetes_event import EventReader
from core.signals.rules import default_rules
from core.signals.signal import Ignored, NormalizedSignal
from tests.contract.gateways import NEW
from tests.support.instances import signal
from tests.support.kubernetes_events import kubelet_event

if TYPE_CHECKING:
    from core.common.resilience import Deadline
    from tests.contract.client import Client


async def events(api: Client, namespace: str) -> list[Any]:
    reply = await api.get(f"/api/v1/namespaces/{namespace}/events")
    assert reply.status == 200, reply.body
    return list(reply.body["items"])


async def test_new_rr_has_one_event_that_says_what_opened_it_and_repeats_have_none(start, api, namespace):
    instance = start(rr_events="write")
    (created,) = await instance.post(signal())
    await instance.gateway.rr_events.drain()
    (repeat,) = await instance.post(signal())
    await instance.gateway.rr_events.drain()

    assert (created.status, repeat.status) == (Status.CREATED, Status.DEDUPLICATED)
    assert instance.calls == [*NEW, "CREATE events", "PATCH remediationrequests/status"]
    (event,) = await events(api, namespace)
    assert event["involvedObject"]["name"] == created.rr_name
    assert event["involvedObject"]["uid"]
    assert (event["type"], event["reason"], event["source"]) == ("Normal", "Created", {"component": "sluice"})
    assert event["message"].startswith(signal().signal_name)


async def test_event_has_as_long_as_any_call(start, monkeypatch):
    instance = start(rr_events="write", api_timeout=7)
    given: list[float] = []

    class Client:
        async def create(self, *_: object, deadline: Deadline, **__: object) -> None:
            given.append(deadline.remaining())

    monkeypatch.setattr(instance.gateway.rr_events, "_client", Client())
    await instance.post(signal())
    await instance.gateway.rr_events.drain()
    assert given == [7]


async def test_none_is_written_unless_it_is_asked_for(start, api, namespace):
    instance = start()
    await instance.post(signal())
    assert instance.calls == NEW
    assert await events(api, namespace) == []


async def test_burst_of_new_rrs_has_no_more_events_at_once_than_the_bound(start):
    instance = start(rr_events="write")
    rr_events = instance.gateway.rr_events
    results = await asyncio.gather(*(instance.post(signal(name=f"web-{number}")) for number in range(20)))
    assert [result.status for (result,) in results] == [Status.CREATED] * 20
    assert len(rr_events._writing) <= MOST_AT_ONCE
    await rr_events.drain()
    assert instance.calls.count("CREATE events") == 20


async def test_event_of_ours_that_comes_back_is_no_signal_even_as_a_warning(start, api, namespace):
    instance = start(rr_events="write", own_namespace="take")
    await instance.post(signal())
    await instance.gateway.rr_events.drain()
    (event,) = await events(api, namespace)

    reader = EventReader(datetime.now(UTC), 300.0, default_rules())
    assert isinstance(reader.read(event), Ignored)  # it is Normal
    ours = {"involvedObject": event["involvedObject"], "metadata": event["metadata"]}
    warning = reader.read(kubelet_event(at=datetime.now(UTC)) | ours)
    assert isinstance(warning, NormalizedSignal)
    (result,) = await instance.post(warning)
    assert (result.status, result.reason) == (Status.IGNORED, "own")

"""The gateway itself on both servers: what it promises, and what it pays."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from core.admission.reviews import REFUSALS_AT_ONCE, REFUSALS_PER_SECOND
from core.common.resilience import Deadline
from core.errors import OverloadedError, UnauthenticatedError
from core.protocol import remediation_request
from core.protocol.lease import lease_name
from core.protocol.lock import STATE_ANNOTATION
from core.results import Status
from core.signals.alertmanager import decode_alertmanager
from core.signals.signal import Batch
from core.triggers.webhook import WebhookReceiver
from tests.contract.gateways import NEW, Instance
from tests.contract.objects import lease
from tests.support.instances import fingerprint, signal

if TYPE_CHECKING:
    from core.signals.signal import NormalizedSignal
    from tests.contract.client import Client


async def stored(api: Client, rrs: str) -> list[Any]:
    reply = await api.get(rrs)
    assert reply.status == 200, reply.body
    return list(reply.body["items"])


def count(rr: Any) -> int:
    return int(rr["status"]["deduplication"]["occurrenceCount"])


async def locks(api: Client, leases: str) -> list[str]:
    """What their holders last said of all Leases."""
    items = (await api.get(leases)).body["items"]
    return [each["metadata"].get("annotations", {}).get(STATE_ANNOTATION, "").partition(" ")[0] for each in items]


async def finish(api: Client, rrs: str, name: str) -> None:
    reply = await api.patch(f"{rrs}/{name}/status", {"status": {"overallPhase": "Completed"}})
    assert reply.status == 200, reply.body


async def test_first_signal_costs_four_calls_and_repeats_cost_one_warm_and_two_cold(start, api, rrs, leases):
    warm, cold = start(), start()
    (created,) = await warm.post(signal())
    assert warm.calls == NEW
    assert created.status is Status.CREATED
    (rr,) = await stored(api, rrs)
    assert rr["status"]["deduplication"] == {"occurrenceCount": 1}  # by our definition, at no cost
    (repeat,) = await warm.post(signal())
    assert warm.calls == [*NEW, "PATCH remediationrequests/status"]
    (elsewhere,) = await cold.post(signal())
    assert cold.calls == ["LIST remediationrequests", "PATCH remediationrequests/status"]
    assert repeat.status is elsewhere.status is Status.DEDUPLICATED
    (rr,) = await stored(api, rrs)
    assert count(rr) == 3
    assert await locks(api, leases) == ["done"]


async def test_signal_after_the_end_gets_the_next_rr_of_the_chain(start, api, rrs):
    one = start()
    (first,) = await one.post(signal())
    await finish(api, rrs, first.rr_name)
    (second,) = await one.post(signal())
    assert second.status is Status.CREATED
    assert second.rr_name != first.rr_name
    assert len(await stored(api, rrs)) == 2


class TestResolved:
    """Signals with an `alert` are told from each other; nothing is ever resolved of one without."""

    @staticmethod
    def of(alert: str, *, resolved: bool = False) -> NormalizedSignal:
        return replace(signal(), alert=alert, resolved=resolved)

    @staticmethod
    def conditions(rr: Any) -> dict[str, str]:
        return {each["type"]: each["status"] for each in rr["status"].get("conditions", [])}

    async def test_condition_comes_and_goes_with_the_alerts_beside_those_of_others(self, start, api, rrs):
        one = start()
        (created,) = await one.post(self.of("a"))
        ready = {"type": "Ready", "status": "False", "reason": "Working", "lastTransitionTime": "2026-01-02T03:04:05Z"}
        path = f"{rrs}/{created.rr_name}/status"
        assert (await api.patch(path, {"status": {"conditions": [ready]}})).status == 200
        await start().post(self.of("b"))
        await one.post(self.of("a", resolved=True))
        (rr,) = await stored(api, rrs)
        assert self.conditions(rr) == {"Ready": "False"}
        assert rr["status"]["deduplication"]["firing"] == ["b"]
        await one.post(self.of("b", resolved=True))
        (rr,) = await stored(api, rrs)
        assert self.conditions(rr) == {"Ready": "False", "SignalResolved": "True"}
        await start().post(self.of("a"))
        (rr,) = await stored(api, rrs)
        assert self.conditions(rr) == {"Ready": "False", "SignalResolved": "False"}
        assert count(rr) == 3

    async def test_new_rr_that_is_resolved_shows_one_occurrence(self, start, api, rrs):
        one = start()
        await one.post(self.of("a"))
        (told,) = await one.post(self.of("a", resolved=True))
        assert one.calls == [*NEW, "PATCH remediationrequests/status"]
        assert (told.status, told.reason) == (Status.IGNORED, "resolved")
        (rr,) = await stored(api, rrs)
        assert rr["status"]["deduplication"] == {"occurrenceCount": 1, "firing": []}

    async def test_alerts_that_come_and_go_in_two_instances_leave_what_came_last(self, start, api, rrs):
        one, other = start(), start()
        await one.post(self.of("a"))
        for turn in range(10):
            await asyncio.gather(
                one.post(self.of("a", resolved=turn % 2 == 0)), other.post(self.of("b", resolved=turn % 2 == 1))
            )
            (rr,) = await stored(api, rrs)
            assert rr["status"]["deduplication"]["firing"] == ["a" if turn % 2 else "b"]
            assert self.conditions(rr).get("SignalResolved") != "True"
        await other.post(self.of("a", resolved=True))
        (rr,) = await stored(api, rrs)
        assert self.conditions(rr) == {"SignalResolved": "True"}


async def test_consistent_reads_create_once_too(start, api, rrs):
    one = start(reads="consistent")
    (created,) = await one.post(signal())
    assert created.status is Status.CREATED
    assert "LIST remediationrequests consistently" in one.calls
    assert len(await stored(api, rrs)) == 1


async def test_identical_signals_at_once_over_three_instances_make_one_rr_each(start, api, rrs, leases):
    instances = [start() for _ in range(3)]
    names = [f"workload-{index}" for index in range(20)]
    posts = [instances[turn % 3].post(signal(name)) for turn in range(16) for name in names]
    results = await asyncio.gather(*posts)
    assert all(result.stored for (result,) in results)
    rrs_made = await stored(api, rrs)
    assert len(rrs_made) == 20
    assert {count(rr) for rr in rrs_made} == {16}
    assert await locks(api, leases) == ["done"] * 20


async def test_dead_holders_lease_is_taken_over_by_the_servers_clock(start, server, api, leases, rrs):
    dead = lease(lease_name(fingerprint()), holderIdentity="dead", leaseDurationSeconds=1)
    assert (await api.post(leases, dead)).status == 201
    for _ in range(2):
        await server.a_second_passes()
    one = start()
    (created,) = await one.post(signal())
    assert one.calls == [*NEW[:2], "GET leases", "UPDATE leases", *NEW[2:]]
    assert created.status is Status.CREATED
    assert await locks(api, leases) == ["done"]


async def test_live_holders_lease_is_left_alone(start, api, leases, rrs):
    live = lease(lease_name(fingerprint()), holderIdentity="alive", leaseDurationSeconds=30)
    assert (await api.post(leases, live)).status == 201
    one = start()
    deadline = Deadline(clock=one.gateway.clock, seconds=0.5)
    (result,) = await one.gateway.pipeline.process(Batch([signal()], "test"), digest=b"", deadline=deadline)
    assert result.status is Status.FAILED
    assert "UPDATE leases" not in one.calls
    assert await stored(api, rrs) == []


async def test_signal_that_breaks_the_schema_is_poison_and_the_servers_sentence_is_told(start):
    broken = replace(signal(), severity="s" * 51)
    (result,) = await start().post(broken)
    assert result.status is Status.INVALID
    assert "spec.severity" in result.error


async def test_object_that_etcd_does_not_take_is_poison_and_tried_once(start, api, rrs, leases, monkeypatch):
    """Never built so large in truth: the fields are cut, as the next test shows."""
    monkeypatch.setattr(remediation_request, "_SPEC_BYTES", 10_000_000)
    one = start(payload_encoding="raw")
    for size in (1_600_000, 2_300_000):
        (result,) = await one.post(replace(signal(), payload=partial(bytes.__mul__, b"x", size)))
        assert (result.status, result.retry_after) == (Status.INVALID, 0.0)
        assert "no later try can store it" in result.error
    assert one.calls.count("CREATE remediationrequests") == 2
    assert await stored(api, rrs) == []
    assert await locks(api, leases) == []


async def test_alert_whose_every_field_is_huge_is_stored_with_its_fields_cut(start, api, rrs):
    huge = "ä" * 300_000
    names = ("alertname", "severity", "priority", "environment", "cluster", "team", "instance", "job", "l" * 300_000)
    labels = dict.fromkeys(names, huge) | {"namespace": "prod", "pod": "web-1"}
    labels |= {f"l{number}": "x" * 1000 for number in range(500)}
    body = {
        "version": "4",
        "status": "firing",
        "receiver": huge,
        "groupKey": huge,
        "externalURL": huge,
        "commonAnnotations": {"a": huge},
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": {"summary": huge, "a" * 300_000: huge},
                "startsAt": "2026-01-02T03:04:05Z",
                "generatorURL": huge,
                "fingerprint": huge,
            }
        ],
    }
    one = start(max_body=64 * 1024 * 1024)
    receiver = WebhookReceiver(one.gateway, decode=decode_alertmanager)
    deadline = Deadline(clock=one.gateway.clock, seconds=600)
    answer = await receiver.receive({}, json.dumps(body).encode(), deadline=deadline)
    assert answer.status == 201, answer.body[:2000]
    (rr,) = await stored(api, rrs)
    assert len(json.dumps(rr)) < 400_000


async def test_fingerprint_that_breaks_the_schema_is_our_fault_and_to_be_sent_again(start):
    (result,) = await start().post(signal(of="0" * 63 + "X"))
    assert result.status is Status.FAILED
    assert "spec.signalFingerprint" in result.error


async def test_done_lease_is_swept_and_the_next_name_is_another(start, api, rrs, leases):
    one = start()
    (first,) = await one.post(signal())
    sweeper = one.gateway.sweeper
    sweeper._due = OrderedDict((name, (0.0, lease)) for name, (_, lease) in sweeper._due.items())
    assert await sweeper.sweep() == 1
    assert await locks(api, leases) == []
    await finish(api, rrs, first.rr_name)
    assert (await api.delete(f"{rrs}/{first.rr_name}")).status == 200
    (second,) = await one.post(signal())
    assert (second.status, second.rr_name == first.rr_name) == (Status.CREATED, False)


async def test_missing_namespace_is_retryable_and_says_what_to_do(server):
    one = Instance(server, "no-such-namespace")
    (result,) = await one.post(signal())
    await one.gateway.close()
    assert result.status is Status.FAILED
    assert "create the namespace, or set SLUICE_NAMESPACE" in result.error


async def test_flood_of_made_up_tokens_costs_forty_reviews_and_twenty_more_a_second(start):
    one = start(auth="kubernetes", max_concurrent=10)
    clock = one.gateway.clock
    deadline = Deadline(clock=clock, seconds=600)
    started = clock.monotonic()
    senders = (one.gateway.gate.admit(f"Bearer made-up-{number}", deadline=deadline) for number in range(1000))
    met = await asyncio.gather(*senders, return_exceptions=True)
    reviews = one.calls.count("CREATE tokenreviews")
    assert REFUSALS_AT_ONCE <= reviews <= REFUSALS_AT_ONCE + REFUSALS_PER_SECOND * (clock.monotonic() - started)
    assert sum(isinstance(each, UnauthenticatedError) for each in met) == reviews == len(one.calls)
    assert sum(isinstance(each, OverloadedError) for each in met) == 1000 - reviews


async def test_ready_where_the_rrs_can_be_listed(start):
    gateway = start().gateway
    await gateway.check_ready(deadline=Deadline(clock=gateway.clock, seconds=5))

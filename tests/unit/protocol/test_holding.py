"""An RR that has ended may hold its problem still, and one that is being deleted holds nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.common.text import rfc3339
from core.local.embedded import EmbeddedApi
from core.protocol.remediation_request import ended_at, holds_its_problem
from core.results import Status
from tests.support.instances import RRS, START, World, count, fingerprint, signal
from tests.support.scripted import answered
from tests.unit.protocol.calls import COUNT, LOOK, READ
from tests.unit.protocol.test_taken_names import take

NEXT = [LOOK, "CREATE leases", "GET leases", READ, "UPDATE leases", "CREATE remediationrequests", "UPDATE leases"]
"""Opens the next one, whose Lease stands for the one that is over."""
NOW = START
LATER = {"time": rfc3339(NOW + timedelta(seconds=5)), "fieldsV1": {"f:status": {"f:deduplication": {}}}}


@pytest.mark.parametrize(
    ("phase", "rest", "holds"),
    [
        ("Executing", {}, True),
        ("", {}, True),
        ("Completed", {}, False),
        ("Completed", {"outcome": "Remediated"}, False),
        ("Completed", {"outcome": "ManualReviewRequired"}, True),
        ("Failed", {"next_allowed": NOW + timedelta(seconds=1)}, True),
        ("Failed", {"next_allowed": NOW}, False),
        ("Failed", {"next_allowed": NOW - timedelta(seconds=1)}, False),
        ("Completed", {"ended_at": NOW, "cooldown": 1.0}, True),
        ("Completed", {"ended_at": NOW - timedelta(seconds=1), "cooldown": 1.0}, False),
        ("Completed", {"ended_at": None, "cooldown": 1.0}, False),
        ("Failed", {"deleting": True, "ended_at": NOW, "cooldown": 1.0}, False),
        ("Executing", {"deleting": True}, False),
        ("Failed", {"deleting": True, "outcome": "ManualReviewRequired"}, False),
        ("Failed", {"deleting": True, "next_allowed": NOW + timedelta(hours=1)}, False),
    ],
)
def test_what_holds(phase: str, rest: dict[str, Any], holds: bool):
    assert holds_its_problem(phase, now=NOW, **({"deleting": False} | rest)) is holds


async def ended(world: World, **status: Any) -> str:
    """Leave an RR that has ended so; return its name."""
    (result,) = await world.instance().post(signal())
    await world.call("PATCH", RRS, result.rr_name, "status", status={"overallPhase": "Failed"} | status)
    return result.rr_name


def ahead(world: World, seconds: float) -> str:
    return rfc3339(world.clock.now() + timedelta(seconds=seconds))


@pytest.mark.parametrize("ended", [False, True])
async def test_oldest_rr_at_work_takes_the_signals_beside_a_newer_one_that_holds(world: World, ended: bool):
    (first,) = await world.instance().post(signal())
    world.pass_time(1)
    await take(world, "rr-of-another-gateway", of=fingerprint())
    if ended:
        status = {"overallPhase": "Failed", "nextAllowedExecution": ahead(world, 60)}
        await world.call("PATCH", RRS, "rr-of-another-gateway", "status", status=status)
    one = world.instance()
    (repeat,) = await one.post(signal())
    assert (repeat.status, repeat.rr_name) == (Status.DEDUPLICATED, first.rr_name)
    assert one.calls == [LOOK, COUNT]


@pytest.mark.parametrize("within", ["", "routingStatus"])
async def test_ended_rr_takes_signals_until_the_next_execution_is_allowed(world: World, within: str):
    until = {"nextAllowedExecution": ahead(world, 60)}
    name = await ended(world, **({within: until} if within else until))
    one = world.instance()
    (repeat,) = await one.post(signal())
    assert (repeat.status, repeat.rr_name) == (Status.DEDUPLICATED, name)
    assert one.calls == [LOOK, COUNT]
    world.pass_time(61)
    (new,) = await one.post(signal())
    assert new.status is Status.CREATED
    assert len(await world.rrs()) == 2


@pytest.mark.parametrize("within", ["", "completionStatus"])
async def test_ended_rr_that_a_person_has_to_look_at_takes_signals(world: World, within: str):
    outcome = {"outcome": "ManualReviewRequired"}
    name = await ended(world, **({within: outcome} if within else outcome))
    world.pass_time(3600)
    (repeat,) = await world.instance().post(signal())
    assert (repeat.status, repeat.rr_name) == (Status.DEDUPLICATED, name)
    assert count(await world.only_rr()) == 2


async def test_hold_that_is_lifted_between_look_and_count_opens_the_next_one(world: World):
    name = await ended(world, nextAllowedExecution=ahead(world, 60))
    one = world.instance()
    lift = {"nextAllowedExecution": None}
    one.wire.on(COUNT, before=lambda: world.call("PATCH", RRS, name, "status", status=lift))
    (result,) = await one.post(signal())
    assert result.status is Status.CREATED
    assert [count(rr) for rr in await world.rrs()] == [1, 1]


async def passing(world: World, seconds: float) -> None:
    """Let time pass while a call is on its way."""
    world.pass_time(seconds)


async def test_hold_that_runs_out_while_the_count_is_on_its_way_opens_the_next_one(world: World):
    name = await ended(world, nextAllowedExecution=ahead(world, 3))
    one = world.instance()
    one.wire.on(COUNT, before=lambda: passing(world, 4))
    (result,) = await one.post(signal())
    assert (result.status, result.rr_name == name) == (Status.CREATED, False)
    assert one.calls == [LOOK, COUNT, *NEXT]
    old, _ = await world.rrs()
    assert count(old) == 2  # on the one that was over too: one too many, where none would be one lost


async def test_hold_that_runs_out_while_the_counts_answer_is_lost_opens_the_next_one(world: World):
    name = await ended(world, nextAllowedExecution=ahead(world, 3))
    one = world.instance()
    one.wire.on(COUNT, before=lambda: passing(world, 4), lose_answer=True)
    (result,) = await one.post(signal())
    assert (result.status, result.rr_name == name) == (Status.CREATED, False)
    assert one.calls == [LOOK, COUNT, READ, *NEXT]


async def test_rr_that_ends_after_its_count_whose_answer_was_lost_has_taken_the_signal(world: World):
    one = world.instance()
    (first,) = await one.post(signal())
    one.restart()
    one.wire.on(COUNT, lose_answer=True, after=lambda: world.set_phase("Completed"))
    (result,) = await one.post(signal())
    assert (result.status, result.rr_name) == (Status.DEDUPLICATED, first.rr_name)
    assert one.calls == [COUNT, READ]


async def test_late_count_is_not_added_again_where_its_rr_is_made_to_hold_again(world: World):
    name = await ended(world, nextAllowedExecution=ahead(world, 3))
    longer = {"nextAllowedExecution": ahead(world, 60)}
    one = world.instance()
    one.wire.on(COUNT, before=lambda: passing(world, 4))
    one.wire.on(LOOK)
    one.wire.on(LOOK, before=lambda: world.call("PATCH", RRS, name, "status", status=longer))
    (result,) = await one.post(signal())
    assert (result.status, result.rr_name) == (Status.DEDUPLICATED, name)
    assert one.calls == [LOOK, COUNT, LOOK, f"{LOOK} consistently"]
    assert count(await world.only_rr()) == 2


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)])
async def test_hold_ends_by_the_api_servers_clock(world: World, skew: timedelta):
    name = await ended(world, nextAllowedExecution=ahead(world, 60))
    (repeat,) = await world.instance(skew=skew).post(signal())
    assert repeat.rr_name == name


async def test_ended_rr_takes_signals_while_it_cools_down_and_counts_make_it_no_younger(world: World):
    name = await ended(world)
    one = world.instance(cooldown=60)
    for seconds in (0, 30, 29):
        world.pass_time(seconds)
        (repeat,) = await one.post(signal())
        assert (repeat.status, repeat.rr_name) == (Status.DEDUPLICATED, name)
    assert one.calls == [LOOK, COUNT] * 3
    world.pass_time(1)
    (new,) = await one.post(signal())
    assert (new.status, new.rr_name == name) == (Status.CREATED, False)
    assert [count(rr) for rr in await world.rrs()] == [4, 1]


async def test_rr_whose_rule_gave_it_a_cooldown_takes_signals_for_that_time(world: World):
    one = world.instance()
    (first,) = await one.post(replace(signal(), provenance={"gateway.kubernaut.ai/cooldown": "60"}))
    await world.set_phase("Completed")
    for instance in (one, world.instance()):
        (repeat,) = await instance.post(signal())
        assert (repeat.status, repeat.rr_name) == (Status.DEDUPLICATED, first.rr_name)
    world.pass_time(61)
    (new,) = await one.post(signal())
    assert new.status is Status.CREATED


@pytest.mark.parametrize(("said", "holds"), [("0", False), ("soon", True), ("-5", True), ("9" * 30, True), ("", True)])
async def test_what_a_rule_says_stands_before_the_setting_where_it_is_a_number(world: World, said: str, holds: bool):
    await world.instance().post(replace(signal(), provenance={"gateway.kubernaut.ai/cooldown": said}))
    await world.set_phase("Completed")
    (result,) = await world.instance(cooldown=60).post(signal())
    assert (result.status is Status.DEDUPLICATED) == holds


async def test_without_a_cooldown_an_rr_that_ended_just_now_is_over(world: World):
    await ended(world)
    (new,) = await world.instance().post(signal())
    assert new.status is Status.CREATED


async def test_cooldown_starts_anew_when_the_rr_ends_anew(world: World):
    name = await ended(world)
    world.pass_time(61)
    await world.set_phase("Executing")
    await world.set_phase("Skipped")
    (repeat,) = await world.instance(cooldown=60).post(signal())
    assert repeat.rr_name == name


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"creationTimestamp": rfc3339(NOW)}, NOW),
        ({"managedFields": [{"time": rfc3339(NOW)}, {"time": "soon"}, "x", {}]}, NOW),
        ({"managedFields": [{"time": rfc3339(NOW), "fieldsV1": {"f:status": {"f:overallPhase": {}}}}, LATER]}, NOW),
        ({"managedFields": [{"time": rfc3339(NOW)}, LATER]}, NOW + timedelta(seconds=5)),
        ({}, None),
    ],
)
def test_end_is_told_by_the_write_of_the_phase_else_by_the_newest(metadata: Any, told: Any):
    assert ended_at(metadata) == told


async def test_dying_rr_takes_no_signal(world: World):
    one = world.instance()
    (first,) = await one.post(signal())
    rr = await world.only_rr()
    rr["metadata"]["finalizers"] = ["example.com/slow"]
    await world.call("PUT", RRS, first.rr_name, **rr)
    await world.delete_rr()
    assert "deletionTimestamp" in (await world.only_rr())["metadata"]
    for sender in (one, world.instance()):  # one remembers it, the other sees it in its list
        (result,) = await sender.post(signal())
        assert result.rr_name != first.rr_name
    dying, new = await world.rrs()
    assert (count(dying), count(new)) == (1, 2)


async def test_count_that_the_definition_drops_is_not_acknowledged(world: World, api: EmbeddedApi):
    await world.instance().post(signal())
    one = world.instance()
    for _ in range(4):
        one.wire.on(COUNT, answer=await _unchanged(world))
    (result,) = await one.post(signal())
    assert result.status is Status.FAILED
    assert "status.deduplication" in result.error
    assert "knative/cluster/crd.yaml" in result.error


async def test_count_that_is_stored_although_the_answer_does_not_show_it_is_found_by_a_look(world: World):
    await world.instance().post(signal())
    one = world.instance()
    unchanged = await _unchanged(world)
    one.wire.on(COUNT, answer=unchanged)
    (result,) = await one.post(signal())
    assert one.calls == [LOOK, COUNT, "GET remediationrequests", COUNT]
    assert result.status is Status.DEDUPLICATED
    assert count(await world.only_rr()) == 2


async def _unchanged(world: World) -> Any:
    """The answer 200 with the RR as it stands."""
    rr = await world.only_rr()
    return answered(200, rr)

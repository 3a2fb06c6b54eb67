"""What is done with a Lease that is there already: by what its holder said of it, and by the RR that it stands for."""

from datetime import timedelta
from typing import Any

import pytest

from core.kube.resources import LEASES
from core.protocol.lease import lease_name
from core.results import Status
from tests.support.instances import World, count, fingerprint, signal
from tests.unit.protocol.calls import CREATE, GO_ON, LOCK, LOOK, MEET, READ, READ_LOCK, UPDATE_LOCK


async def dies_after_its_create(world: World) -> str:
    """Let an instance die after its RR was stored, with its Lease still held; return the RR's name."""
    one = world.instance()
    one.wire.on(UPDATE_LOCK, drop=True)
    (result,) = await one.post(signal())
    assert await world.locks() == ["held"]
    return result.rr_name


async def dies_before_its_create(world: World) -> str:
    """Let an instance die before its RR was stored; return the name that its Lease stands for."""
    one = world.instance()
    one.wire.on(CREATE, drop=True)
    for call in (CREATE, CREATE, UPDATE_LOCK):
        one.wire.on(call, drop=True)
    (result,) = await one.post(signal())
    assert await world.locks() == ["held"]
    return result.error.partition("crd_name=")[2].partition(",")[0]


async def test_rr_of_a_holder_that_died_is_joined_without_waiting(world: World):
    one = world.instance()
    one.wire.on(LOOK, after=lambda: dies_after_its_create(world))  # what it sees is older than that
    (result,) = await one.post(signal())
    assert one.calls == [*MEET, "PATCH remediationrequests/status"]
    assert result.status is Status.DEDUPLICATED
    assert count(await world.only_rr()) == 2


async def test_ended_rr_frees_no_lock_that_its_holder_may_still_use(world: World):
    await dies_after_its_create(world)
    await world.set_phase("Skipped")
    one = world.instance()
    (result,) = await one.post(signal())
    assert result.status is Status.FAILED
    assert UPDATE_LOCK not in one.calls
    assert len(await world.rrs()) == 1


async def test_name_that_has_had_its_rr_is_used_up_when_the_lock_has_run_out(world: World):
    name = await dies_after_its_create(world)
    await world.set_phase("Skipped")
    world.pass_time(31)
    one = world.instance()
    (result,) = await one.post(signal())
    assert one.calls == [*MEET, *GO_ON]
    assert result.status is Status.CREATED
    assert result.rr_name != name


@pytest.mark.parametrize(("seconds", "same"), [(31, True), (3630, True), (3631, False)])
async def test_name_of_a_late_holder_is_kept_for_an_hour(world: World, seconds: float, same: bool):
    name = await dies_before_its_create(world)
    world.pass_time(seconds)
    one = world.instance()
    (result,) = await one.post(signal())
    assert one.calls == [*MEET, *GO_ON]
    assert (result.rr_name == name) is same


async def test_lock_that_stays_another_holders_name_is_not_deleted_by_who_gives_up(world: World):
    await dies_before_its_create(world)
    world.pass_time(31)
    one = world.instance()

    async def pass_the_deadline() -> None:
        world.pass_time(9)

    one.wire.on(UPDATE_LOCK, after=pass_the_deadline)
    (result,) = await one.post(signal())
    assert result.status is Status.FAILED
    assert one.calls == [*MEET, UPDATE_LOCK, UPDATE_LOCK]
    assert await world.locks() == ["abandoned"]


@pytest.mark.parametrize("end", ["ended", "gone"])
async def test_done_lock_is_taken_over_at_once_with_a_new_name(world: World, end: str):
    (first,) = await world.instance().post(signal())
    await (world.set_phase("Completed") if end == "ended" else world.delete_rr())
    one = world.instance()
    (result,) = await one.post(signal())
    assert one.calls == [*MEET, *GO_ON]
    assert result.rr_name != first.rr_name
    (lease,) = await world.leases()
    assert lease["spec"]["leaseTransitions"] == 1


async def test_lock_that_changes_between_get_and_take_over_is_not_taken(world: World):
    await world.instance().post(signal())
    await world.set_phase("Completed")
    a, b = world.instance(), world.instance()
    a.wire.on(UPDATE_LOCK, before=lambda: b.post(signal()))
    (result,) = await a.post(signal())
    assert a.calls == [*MEET, UPDATE_LOCK, LOOK, "PATCH remediationrequests/status"]
    assert result.status is Status.DEDUPLICATED
    assert len(await world.rrs()) == 2


async def another_gateways(world: World, **meta: Any) -> None:
    """The Lease as a gateway of another kind writes it."""
    spec = {"holderIdentity": "gateway-go", "leaseDurationSeconds": 30}
    kind = {"apiVersion": LEASES.api_version, "kind": LEASES.kind}
    await world.call("POST", LEASES, **kind, metadata={"name": lease_name(fingerprint())} | meta, spec=spec)


async def test_another_gateways_lock_is_waited_for_and_then_taken_over_with_a_new_name(world: World):
    await another_gateways(world)
    (waited,) = await world.instance().post(signal())
    assert waited.status is Status.FAILED
    world.pass_time(31)
    one = world.instance()
    (result,) = await one.post(signal())
    assert one.calls == [LOOK, LOCK, READ_LOCK, *GO_ON]
    assert result.status is Status.CREATED


@pytest.mark.parametrize("duration", [30, 60, None])
@pytest.mark.parametrize("over", [True, False])
async def test_another_gateways_lock_lasts_as_long_as_it_says_and_a_second(
    world: World, duration: int | None, over: bool
):
    spec = {"holderIdentity": "gateway-go"} | ({"leaseDurationSeconds": duration} if duration else {})
    kind = {"apiVersion": LEASES.api_version, "kind": LEASES.kind}
    await world.call("POST", LEASES, **kind, metadata={"name": lease_name(fingerprint())}, spec=spec)
    world.pass_time((duration or 30) + over)
    one = world.instance()
    await one.post(signal())
    assert one.calls[:3] == [LOOK, LOCK, READ_LOCK]
    assert (one.calls[3] == UPDATE_LOCK) is over


async def test_lock_that_another_gateway_wrote_over_stands_for_no_rr_of_ours(world: World):
    (first,) = await world.instance().post(signal())
    await world.delete_rr()
    (lease,) = await world.leases()
    lease["spec"] = {"holderIdentity": "gateway-go", "leaseDurationSeconds": 30}
    await world.call("PUT", LEASES, lease_name(fingerprint()), **lease)
    one = world.instance()
    (waited,) = await one.post(signal())
    assert waited.status is Status.FAILED
    assert READ not in one.calls
    world.pass_time(31)
    (result,) = await one.post(signal())
    assert result.rr_name != first.rr_name


class TestClockSetBack:
    async def test_lease_from_the_future_runs_out_in_its_own_time(self, world: World):
        world.clock.set(world.clock.now() + timedelta(hours=5))
        name = await dies_before_its_create(world)
        world.clock.set(world.clock.now() - timedelta(hours=5))
        one = world.instance()
        (waited,) = await one.post(signal())
        assert waited.status is Status.FAILED
        assert one.calls.count(UPDATE_LOCK) == 1  # stamped anew, once
        world.pass_time(31)
        (result,) = await one.post(signal())
        assert (result.status, result.rr_name) == (Status.CREATED, name)

    @pytest.mark.parametrize(("seconds", "stamped"), [(5, False), (6, True)])
    async def test_clocks_of_api_servers_may_differ_by_five_seconds(self, world: World, seconds: int, stamped: bool):
        await dies_before_its_create(world)
        world.clock.set(world.clock.now() - timedelta(seconds=seconds))
        one = world.instance()
        await one.post(signal())
        assert one.calls[:3] == [LOOK, LOCK, READ_LOCK]
        assert one.calls[3] == (UPDATE_LOCK if stamped else READ)

    async def test_stamp_counts_no_take_over(self, world: World):
        await dies_before_its_create(world)
        world.clock.set(world.clock.now() - timedelta(hours=5))
        await world.instance().post(signal())
        (lease,) = await world.leases()
        assert lease["spec"].get("leaseTransitions", 0) == 0

    async def test_holder_whose_lease_was_stamped_anew_marks_it_done_all_the_same(self, world: World):
        world.clock.set(world.clock.now() + timedelta(hours=5))
        a, b = world.instance(), world.instance()

        async def set_back() -> None:
            world.clock.set(world.clock.now() - timedelta(hours=5))
            (waited,) = await b.post(signal(), deadline=0.05)
            assert waited.status is Status.FAILED

        a.wire.on(CREATE, before=set_back)
        (result,) = await a.post(signal())
        assert result.status is Status.CREATED
        assert b.calls == [LOOK, LOCK, READ_LOCK, UPDATE_LOCK]
        assert a.calls[-3:] == [UPDATE_LOCK, READ_LOCK, UPDATE_LOCK]
        assert await world.locks() == ["done"]

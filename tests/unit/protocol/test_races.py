"""Races, by name. Each asserts the calls that were made, in order and number."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.kube.resources import LEASES
from core.local.embedded import EmbeddedApi
from core.local.embedded.store import Lag
from core.protocol.lease import lease_name
from core.protocol.lock import DONE_LEASE_SECONDS
from core.protocol.remediation_request import fenced_name
from core.results import SignalResult, Status
from tests.support.instances import RRS, World, at_once, count, fingerprint, signal
from tests.unit.protocol.calls import (
    ABANDONED,
    COUNT,
    CREATE,
    DONE,
    LOCK,
    LOOK,
    LOOK_CONSISTENTLY,
    NEW,
    NEW_OF_SEVERAL,
    READ,
    READ_LOCK,
    TAKE_OVER,
    TWIN,
    UNLOCK,
)
from tests.unit.protocol.test_parts import FORBIDDEN


class TestSeveralAtOnce:
    async def test_two_instances_at_once_make_one_rr(self, world: World):
        a, b = world.instance("a"), world.instance("b")
        (first,), (second,) = await at_once(a.post(signal()), b.post(signal()))
        assert {first.status, second.status} == {Status.CREATED, Status.DEDUPLICATED}
        assert a.calls == NEW
        assert b.calls == [LOOK, LOCK, READ_LOCK, READ, COUNT]
        assert count(await world.only_rr()) == 2
        assert await world.locks() == ["done"]

    async def test_sixteen_identical_signals_in_one_instance_share_one_round(self, world: World):
        one = world.instance("one")
        results = await at_once(*(one.post(signal()) for _ in range(16)))
        assert one.calls == NEW_OF_SEVERAL
        assert [result.status for (result,) in results].count(Status.CREATED) == 1
        assert count(await world.only_rr()) == 16

    async def test_signals_that_arrive_during_a_round_share_the_next_one(self, world: World):
        one = world.instance()
        later: list[asyncio.Task[list[SignalResult]]] = []

        async def fifteen_more() -> None:
            later.extend(asyncio.create_task(one.post(signal())) for _ in range(15))
            await asyncio.sleep(0)

        one.wire.on(CREATE, before=fifteen_more)
        (first,) = await one.post(signal())
        results = await asyncio.gather(*later)
        assert one.calls == [*NEW, COUNT]
        assert first.status is Status.CREATED
        assert {result.status for (result,) in results} == {Status.DEDUPLICATED}
        assert count(await world.only_rr()) == 16

    async def test_sixteen_identical_signals_over_four_instances_make_one_rr(self, world: World):
        instances = [world.instance(name) for name in "abcd"]
        results = await at_once(*(instance.post(signal()) for instance in instances for _ in range(4)))
        assert all(result.stored for (result,) in results)
        assert [result.status for (result,) in results].count(Status.CREATED) == 1
        assert count(await world.only_rr()) == 16
        assert await world.locks() == ["done"]

    async def test_two_writers_of_one_count_lose_nothing(self, world: World):
        a, b = world.instance("a"), world.instance("b")
        await a.post(signal())
        await b.post(signal())
        a.restart()
        b.restart()
        await at_once(a.post(signal()), b.post(signal()))
        assert a.calls == [COUNT, READ, COUNT]  # remembers the count before b's first
        assert b.calls in ([COUNT], [COUNT, READ, COUNT])
        assert count(await world.only_rr()) == 4


class TestTheLease:
    async def test_holder_that_stalls_past_its_lease_goes_on_and_joins(self, world: World):
        a, b = world.instance(request_deadline=600), world.instance()

        async def stall() -> None:
            world.pass_time(40)
            (other,) = await b.post(signal())
            assert other.status is Status.CREATED

        a.wire.on(CREATE, before=stall)
        (result,) = await a.post(signal(), deadline=600)
        assert b.calls == [LOOK, LOCK, READ_LOCK, READ, TAKE_OVER, CREATE, DONE]
        assert a.calls == [LOOK, LOCK, CREATE, READ, COUNT, DONE, READ_LOCK]  # the lock is b's by now
        assert result.status is Status.DEDUPLICATED
        assert count(await world.only_rr()) == 2

    async def test_holder_that_stalls_past_its_deadline_asks_for_a_retry_and_leaves_one_rr(self, world: World):
        a, b = world.instance(), world.instance()

        async def stall() -> None:
            world.pass_time(40)
            await b.post(signal())

        a.wire.on(CREATE, before=stall)
        (result,) = await a.post(signal())
        assert result.status is Status.FAILED
        assert a.calls == [LOOK, LOCK, CREATE, ABANDONED, READ_LOCK]
        assert count(await world.only_rr()) == 1

    async def test_stall_before_the_lease_makes_the_view_too_old_to_create_upon(self, world: World):
        a, b = world.instance(), world.instance()

        async def stall() -> None:
            await b.post(signal())
            world.pass_time(3)

        a.wire.on(LOCK, before=stall)
        (result,) = await a.post(signal())
        assert a.calls == [LOOK, LOCK, READ_LOCK, READ, COUNT]
        assert result.status is Status.DEDUPLICATED

    async def test_stall_under_the_lease_makes_the_view_too_old_to_create_upon(self, world: World):
        a = world.instance()

        async def stall() -> None:
            world.pass_time(3)

        a.wire.on(LOCK, after=stall)
        (result,) = await a.post(signal())
        assert a.calls == [LOOK, LOCK, LOOK, CREATE, DONE]
        assert result.status is Status.CREATED

    async def test_machine_that_was_suspended_before_its_lease_looks_again(self, world: World):
        a, b = world.instance(), world.instance()

        async def suspend() -> None:
            await b.post(signal())
            world.pass_time(DONE_LEASE_SECONDS)
            a.suspend(DONE_LEASE_SECONDS)
            assert await b.gateway.sweeper.sweep() == 1  # no Lease, and a view that nobody's clock calls old

        a.wire.on(LOCK, before=suspend)
        (result,) = await a.post(signal())
        assert a.calls == [LOOK, LOCK, LOOK, UNLOCK, COUNT]
        assert result.status is Status.DEDUPLICATED
        assert count(await world.only_rr()) == 2

    async def test_machine_that_was_suspended_while_an_api_servers_clock_was_set_back_looks_again(self, world: World):
        a, b = world.instance(), world.instance()

        async def suspend() -> None:
            await b.post(signal())
            world.pass_time(DONE_LEASE_SECONDS)
            a.suspend(DONE_LEASE_SECONDS)
            assert await b.gateway.sweeper.sweep() == 1
            world.clock.set(world.clock.now() - timedelta(seconds=DONE_LEASE_SECONDS + 60))

        a.wire.on(LOCK, before=suspend)  # simulation, seed 9367
        (result,) = await a.post(signal())
        assert a.calls == [LOOK, LOCK, LOOK, UNLOCK, COUNT]
        assert result.status is Status.DEDUPLICATED
        assert count(await world.only_rr()) == 2

    async def test_holder_whose_lease_has_run_out_before_its_create_does_not_send_it(self, world: World):
        a = world.instance(request_deadline=600)

        async def stall() -> None:
            world.pass_time(31)

        a.wire.on(LOCK, after=stall)
        (result,) = await a.post(signal(), deadline=600)
        assert a.calls == [LOOK, LOCK, LOOK, UNLOCK]
        assert result.status is Status.FAILED
        assert "has run out" in result.error

    async def test_lease_taken_over_before_it_is_marked_done_stays_with_the_new_holder(self, world: World):
        a = world.instance()

        async def take_over() -> None:
            (lease,) = await world.leases()
            lease["spec"]["holderIdentity"] = "somebody-else"
            await world.call("PUT", LEASES, lease["metadata"]["name"], **lease)

        a.wire.on(DONE, before=take_over)
        (result,) = await a.post(signal())
        assert a.calls == [*NEW, READ_LOCK]
        assert result.status is Status.CREATED
        (lease,) = await world.leases()
        assert lease["spec"]["holderIdentity"] == "somebody-else"

    async def test_two_that_take_over_one_expired_lease_exclude_each_other(self, world: World):
        await self.hold(world)
        world.pass_time(31)
        a, b = world.instance("a"), world.instance("b")
        results = await at_once(a.post(signal()), b.post(signal()))
        assert {result.status for (result,) in results} == {Status.CREATED, Status.DEDUPLICATED}
        assert a.calls == [LOOK, LOCK, READ_LOCK, TAKE_OVER, CREATE, DONE]
        assert b.calls == [LOOK, LOCK, READ_LOCK, TAKE_OVER, LOOK, COUNT]
        assert count(await world.only_rr()) == 2

    @pytest.mark.parametrize("skew", [timedelta(minutes=-10), timedelta(minutes=10)])
    async def test_skewed_clock_neither_steals_a_fresh_lease_nor_spares_an_expired_one(self, world: World, skew):
        await self.hold(world)
        skewed = world.instance(skew=skew)
        (result,) = await skewed.post(signal(), deadline=2)
        assert result.status is Status.FAILED
        assert TAKE_OVER not in skewed.calls
        skewed.restart()
        world.pass_time(31)
        (result,) = await skewed.post(signal())
        assert result.status is Status.CREATED
        assert skewed.calls == [LOOK, LOCK, READ_LOCK, TAKE_OVER, CREATE, DONE]

    async def test_lease_renewed_by_its_holder_counts_from_that_moment(self, world: World):
        await self.hold(world)
        world.pass_time(20)
        (lease,) = await world.leases()
        lease["spec"]["leaseTransitions"] = 1
        await world.call("PUT", LEASES, lease["metadata"]["name"], **lease)
        world.pass_time(20)
        one = world.instance()
        (result,) = await one.post(signal(), deadline=1)
        assert result.status is Status.FAILED
        assert TAKE_OVER not in one.calls

    async def test_lease_that_never_comes_free_is_waited_for_ten_times_and_looked_behind_each_time(self, world: World):
        await self.hold(world)
        one = world.instance()
        (result,) = await one.post(signal())
        tries = [call for call in one.calls if call == LOCK]
        assert len(tries) == 10
        assert one.calls == [LOOK, *([LOCK, READ_LOCK, LOOK] * 9), LOCK, READ_LOCK]
        assert result.status is Status.FAILED
        assert await world.rrs() == []

    async def test_lease_released_between_two_calls_is_tried_again(self, world: World):
        await self.hold(world)
        one = world.instance()
        one.wire.on(READ_LOCK, before=lambda: world.call("DELETE", LEASES, lease_name(fingerprint())))
        (result,) = await one.post(signal())
        assert result.status is Status.CREATED
        assert one.calls == [LOOK, LOCK, READ_LOCK, *NEW]

    async def test_lease_of_a_finished_holder_shows_its_rr_and_is_not_needed(self, world: World):
        await self.hold(world)
        a, b = world.instance(), world.instance()
        a.wire.on(READ_LOCK, after=lambda: self.finish(world, b))
        (result,) = await a.post(signal())
        assert a.calls == [LOOK, LOCK, READ_LOCK, LOOK, COUNT]
        assert result.status is Status.DEDUPLICATED

    async def hold(self, world: World) -> None:
        spec = {"holderIdentity": "a-dead-instance", "leaseDurationSeconds": 30}
        await world.call(
            "POST",
            LEASES,
            apiVersion="coordination.k8s.io/v1",
            kind="Lease",
            metadata={"name": lease_name(fingerprint())},
            spec=spec,
        )

    async def finish(self, world: World, other) -> None:
        await world.call("DELETE", LEASES, lease_name(fingerprint()))
        await other.post(signal())


class TestLostAnswers:
    async def test_create_whose_answer_is_lost_is_known_as_our_own(self, world: World):
        one = world.instance()
        one.wire.on(CREATE, lose_answer=True)
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, LOCK, CREATE, CREATE, READ, DONE]
        assert result.status is Status.CREATED
        assert count(await world.only_rr()) == 1

    async def test_create_that_never_arrived_is_sent_again(self, world: World):
        one = world.instance()
        one.wire.on(CREATE, drop=True)
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, LOCK, CREATE, CREATE, DONE]
        assert result.status is Status.CREATED
        assert count(await world.only_rr()) == 1

    async def test_count_whose_answer_is_lost_is_not_added_twice(self, world: World):
        one = world.instance()
        await one.post(signal())
        one.restart()
        one.wire.on(COUNT, lose_answer=True)
        (result,) = await one.post(signal())
        assert one.calls == [COUNT, READ]
        assert result.status is Status.DEDUPLICATED
        assert count(await world.only_rr()) == 2

    async def test_count_that_never_arrived_is_sent_again(self, world: World):
        one = world.instance()
        await one.post(signal())
        one.restart()
        one.wire.on(COUNT, drop=True)
        (result,) = await one.post(signal())
        assert one.calls == [COUNT, READ, COUNT]
        assert result.status is Status.DEDUPLICATED
        assert count(await world.only_rr()) == 2

    async def test_count_lost_and_then_counted_on_by_another_covers_every_signal(self, world: World):
        a, b = world.instance(), world.instance()
        await a.post(signal())
        a.wire.on(COUNT, lose_answer=True, after=lambda: b.post(signal()))
        (result,) = await a.post(signal())
        assert result.status is Status.DEDUPLICATED
        assert count(await world.only_rr()) in (3, 4)  # ours may count once too often, never too seldom

    async def test_mark_whose_answer_is_lost_does_no_harm(self, world: World):
        one = world.instance()
        one.wire.on(DONE, lose_answer=True)
        (result,) = await one.post(signal())
        assert one.calls == NEW
        assert result.status is Status.CREATED
        assert await world.locks() == ["done"]

    async def test_mark_that_never_arrived_is_made_later(self, world: World):
        one = world.instance()
        one.wire.on(DONE, drop=True)
        await one.post(signal())
        assert await world.locks() == ["held"]
        one.restart()
        await one.gateway.sweeper.sweep()
        assert one.calls == [DONE]
        assert await world.locks() == ["done"]

    async def test_lock_whose_answer_is_lost_is_known_as_our_own(self, world: World):
        one = world.instance()
        one.wire.on(LOCK, lose_answer=True)
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, LOCK, LOOK, LOCK, READ_LOCK, CREATE, DONE]
        assert result.status is Status.CREATED
        assert await world.locks() == ["done"]

    async def test_first_count_that_cannot_be_written_leaves_an_rr_that_counts_as_one(self, world: World):
        one = world.instance(first_count="written")
        for _ in range(5):
            one.wire.on(COUNT, drop=True)
        (result,) = await one.post(signal())
        assert result.status is Status.CREATED
        assert count(await world.only_rr()) == 1
        (result,) = await one.post(signal())
        assert count(await world.only_rr()) == 2

    async def test_signals_beside_the_first_are_only_acknowledged_when_counted(self, world: World):
        one = world.instance()
        for _ in range(5):
            one.wire.on(COUNT, drop=True)
        results = await one.post(signal(), signal(), signal())
        assert [result.status for result in results] == [Status.CREATED, Status.FAILED, Status.FAILED]


class TestStaleAndMovingViews:
    async def test_lock_whose_grant_was_lost_is_given_back_when_the_rr_turns_up(self, world: World, api: EmbeddedApi):
        await world.instance().post(signal())
        api.lag = Lag(seconds=30)

        async def catch_up() -> None:
            api.lag = Lag()

        one = world.instance()
        one.wire.on(LOCK, after=catch_up, lose_answer=True)
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, LOCK, LOOK, READ_LOCK, COUNT]
        assert result.status is Status.DEDUPLICATED
        assert await world.locks() == ["done"]

    async def test_stale_list_that_shows_nothing_meets_the_lease_of_what_it_does_not_show(self, world: World):
        a, b = world.instance(), world.instance()

        async def other_comes_first() -> None:
            await b.post(signal())

        a.wire.on(LOOK, after=other_comes_first)
        (result,) = await a.post(signal())
        assert a.calls == [LOOK, LOCK, READ_LOCK, READ, COUNT]
        assert result.status is Status.DEDUPLICATED
        assert count(await world.only_rr()) == 2

    async def test_stale_list_that_shows_only_an_older_ended_rr_goes_by_the_lease(self, world: World):
        a, b = world.instance(), world.instance()
        await b.post(signal())
        await world.set_phase("Completed")

        async def two_more_generations() -> None:
            world.pass_time(1)
            await b.post(signal())
            await world.set_phase("Failed")
            world.pass_time(0.5)

        a.wire.on(LOOK, after=two_more_generations)
        (result,) = await a.post(signal())
        assert a.calls == [LOOK, LOCK, READ_LOCK, READ, TAKE_OVER, CREATE, DONE]
        assert result.status is Status.CREATED
        assert len(await world.rrs()) == 3

    async def test_rr_that_ends_between_list_and_count_gets_a_successor(self, world: World):
        await world.instance().post(signal())
        one = world.instance()
        one.wire.on(COUNT, before=lambda: world.set_phase("Completed"))
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, COUNT, READ, LOOK, LOCK, READ_LOCK, READ, TAKE_OVER, CREATE, DONE]
        assert result.status is Status.CREATED
        assert len(await world.rrs()) == 2

    async def test_rr_that_ended_but_stays_active_in_a_stale_view_is_not_asked_for_ever(
        self, world: World, api: EmbeddedApi
    ):
        await world.instance().post(signal())
        world.pass_time(31)
        api.lag = Lag(seconds=30)
        await world.set_phase("Completed")
        one = world.instance()
        (result,) = await one.post(signal())
        assert one.calls[:5] == [LOOK, COUNT, READ, LOOK, LOOK_CONSISTENTLY]
        assert one.calls[5:] == [LOCK, READ_LOCK, READ, TAKE_OVER, CREATE, DONE]
        assert result.status is Status.CREATED

    async def test_rr_that_moves_to_another_active_phase_is_counted_on_after_one_read(self, world: World):
        await world.instance().post(signal())
        one = world.instance()
        one.wire.on(COUNT, before=lambda: world.set_phase("Analyzing"))
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, COUNT, READ, COUNT]
        assert result.status is Status.DEDUPLICATED
        assert count(await world.only_rr()) == 2

    async def test_rr_deleted_between_list_and_count_is_made_anew(self, world: World):
        await world.instance().post(signal())
        one = world.instance()
        one.wire.on(COUNT, before=world.delete_rr)
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, COUNT, READ, LOOK, LOCK, READ_LOCK, READ, TAKE_OVER, CREATE, DONE]
        assert result.status is Status.CREATED
        assert count(await world.only_rr()) == 1

    async def test_rr_deleted_and_followed_by_another_is_not_mistaken_for_it(self, world: World):
        a, b = world.instance(), world.instance()
        await a.post(signal())
        old = await world.only_rr()

        async def replace() -> None:
            await world.delete_rr()
            await b.post(signal())

        a.restart()
        a.wire.on(COUNT, before=replace)
        (result,) = await a.post(signal())
        new = await world.only_rr()
        assert new["metadata"]["name"] != old["metadata"]["name"]
        assert a.calls == [COUNT, READ, LOOK, COUNT]
        assert result.status is Status.DEDUPLICATED
        assert count(new) == 2

    async def test_ended_head_that_was_deleted_meanwhile_does_not_bring_its_name_back(self, world: World):
        old = await self.ended_and_swept(world)
        one = world.instance()
        one.wire.on(LOOK, after=world.delete_rr)
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, LOCK, READ, CREATE, DONE]
        assert result.status is Status.CREATED
        assert result.rr_name != old

    async def test_ended_head_that_is_at_work_again_is_joined(self, world: World):
        await self.ended_and_swept(world)
        one = world.instance()
        one.wire.on(LOOK, after=lambda: world.set_phase("Executing"))
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, LOCK, READ, UNLOCK, COUNT]
        assert result.status is Status.DEDUPLICATED

    async def test_clean_up_near_a_burst_leaves_one_rr(self, world: World):
        """A has confirmed that gen1 ended; gen1 is deleted; B sees nothing; A creates, and B after it."""
        await self.ended_and_swept(world)
        a, b = world.instance(), world.instance()
        later: list[asyncio.Task[list[SignalResult]]] = []

        async def b_looks_and_waits() -> None:
            await world.delete_rr()
            b.wire.on(LOCK, before=a_is_done)
            later.append(asyncio.create_task(b.post(signal())))
            for _ in range(5):
                await asyncio.sleep(0)

        done = asyncio.Event()

        async def a_is_done() -> None:
            await done.wait()

        a.wire.on(CREATE, before=b_looks_and_waits)
        (first,) = await a.post(signal())
        done.set()
        ((second,),) = await asyncio.gather(*later)
        assert b.calls == [LOOK, LOCK, READ_LOCK, READ, COUNT]
        assert (first.status, second.status) == (Status.CREATED, Status.DEDUPLICATED)
        assert count(await world.only_rr()) == 2

    async def test_taken_name_that_is_free_a_moment_later_is_not_used(self, world: World):
        a, b = world.instance(request_deadline=600), world.instance()

        async def other_takes_over() -> None:
            world.pass_time(32)
            await b.post(signal())

        a.wire.on(CREATE, before=other_takes_over)
        a.wire.on(READ, before=world.delete_rr)
        (result,) = await a.post(signal(), deadline=600)
        assert a.calls == [LOOK, LOCK, CREATE, READ, TAKE_OVER, ABANDONED, READ_LOCK]  # the lock is b's by now
        assert result.status is Status.FAILED
        assert await world.rrs() == []

    @pytest.mark.parametrize("of", ["", TWIN], ids=["older generation", "other fingerprint"])
    async def test_name_that_is_taken_by_what_is_over_costs_one_more_transition(self, world: World, of: str):
        one = world.instance()
        taken: list[str] = []

        async def take_the_name() -> None:
            taken.append(await self.next_name(world))
            obj = await self.somebody_elses(world)
            obj["metadata"], obj["spec"]["signalFingerprint"] = {"name": taken[0]}, of or fingerprint()
            await world.call("POST", RRS, **obj)
            await world.call("PATCH", RRS, taken[0], "status", status={"overallPhase": "Completed"})

        one.wire.on(CREATE, before=take_the_name)
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, LOCK, CREATE, READ, TAKE_OVER, LOOK, CREATE, DONE]
        assert result.status is Status.CREATED
        assert result.rr_name not in taken

    async def next_name(self, world: World) -> str:
        """The name that the one Lease stands for as it was created."""
        (lease,) = [each for each in await world.leases() if each["metadata"]["name"] == lease_name(fingerprint())]
        return fenced_name(fingerprint(), lease_uid=lease["metadata"]["uid"])

    async def somebody_elses(self, world: World) -> Any:
        """An RR as any gateway makes it, of another problem."""
        await world.instance().post(signal("other"))
        obj = await world.only_rr(fingerprint("other"))
        return {**obj, "status": None}

    async def ended_and_swept(self, world: World) -> str:
        """Leave an ended RR and no Lease; return the RR's name."""
        one = world.instance()
        (result,) = await one.post(signal())
        await world.set_phase("Completed")
        world.pass_time(70)
        assert await one.gateway.sweeper.sweep() == 1
        assert await world.leases() == []
        return result.rr_name

    async def test_new_rr_that_ends_before_its_first_count_still_acknowledges_its_creator(self, world: World):
        one = world.instance(first_count="written")
        one.wire.on(COUNT, before=lambda: world.set_phase("Skipped"))
        (result,) = await one.post(signal())
        assert result.status is Status.CREATED
        assert one.calls == [LOOK, LOCK, CREATE, COUNT, READ, DONE]

    async def test_signals_beside_a_creator_whose_rr_ended_at_once_get_the_next_rr(self, world: World):
        one = world.instance()
        one.wire.on(COUNT, before=lambda: world.set_phase("Skipped"))
        results = await one.post(signal(), signal())
        assert [result.status for result in results] == [Status.CREATED, Status.CREATED]
        assert results[0].rr_name != results[1].rr_name


class TestOneDeadline:
    async def test_hanging_call_ends_with_the_request_and_asks_for_a_retry(self, world: World):
        one = world.instance()

        async def hang() -> None:
            world.pass_time(9)

        one.wire.on(CREATE, before=hang, drop=True)
        (result,) = await one.post(signal())
        assert result.status is Status.FAILED
        assert one.calls == [LOOK, LOCK, CREATE, ABANDONED]
        assert result.retry_after >= 1

    async def test_lease_of_a_request_whose_time_is_over_does_not_hold_up_the_next_delivery(self, world: World):
        one = world.instance()

        async def pass_the_deadline() -> None:
            world.pass_time(9)

        one.wire.on(LOCK, after=pass_the_deadline)
        (late,) = await one.post(signal())
        assert late.status is Status.FAILED
        assert one.calls == [LOOK, LOCK, UNLOCK]
        assert await world.leases() == []
        (again,) = await one.post(signal())
        assert again.status is Status.CREATED

    async def test_failed_lookup_is_retryable_and_names_the_cause(self, world: World):
        one = world.instance()
        one.wire.on(LOOK, drop=True)
        (result,) = await one.post(signal())
        assert result.status is Status.FAILED
        assert "check_deduplication failed" in result.error
        assert one.calls == [LOOK]

    async def test_create_of_which_nobody_knows_what_became_leaves_its_name_for_the_next(self, world: World):
        one = world.instance()
        for _ in range(3):
            one.wire.on(CREATE, drop=True)
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, LOCK, CREATE, CREATE, CREATE, ABANDONED]
        assert result.status is Status.FAILED
        assert "create_remediation_request failed" in result.error
        assert await world.locks() == ["abandoned"]
        sent, other = result.error.partition("crd_name=")[2].partition(",")[0], world.instance()
        (again,) = await other.post(signal())
        assert other.calls == [LOOK, LOCK, READ_LOCK, READ, TAKE_OVER, CREATE, DONE]
        assert again.rr_name == sent

    async def test_refusal_to_read_what_has_taken_the_name_tells_nothing_of_our_create(self, world: World):
        one = world.instance()
        one.wire.on(CREATE, lose_answer=True)
        one.wire.on(READ, answer=FORBIDDEN)
        (result,) = await one.post(signal())
        assert one.calls == [LOOK, LOCK, CREATE, CREATE, READ, ABANDONED]
        assert result.status is Status.FAILED
        assert await world.locks() == ["abandoned"]  # it stands for the RR that is there: a stale view does not show it
        (again,) = await world.instance().post(signal())
        assert again.status is Status.DEDUPLICATED

    async def test_one_failing_workload_does_not_hold_back_its_neighbours(self, world: World):
        one = world.instance()
        one.wire.on(LOOK, drop=True)
        results = await one.post(signal("a"), signal("b"), signal("c"))
        assert [result.status for result in results] == [Status.FAILED, Status.CREATED, Status.CREATED]

"""Done Leases go off the burst, RRs that ended long ago by `prune`; what has changed since stays."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.common.resilience import Deadline
from core.kube.resources import LEASES
from core.protocol.lease import Lease, LeaseStore, lease_name
from core.protocol.lock import DONE_LEASE_SECONDS, LeaseSweeper, Lock, LockState
from core.protocol.pruning import Pruned, prune
from core.results import Status
from tests.support.instances import NAMESPACE, RRS, START, Instance, World, fingerprint, signal
from tests.support.loop_clock import LoopClock
from tests.unit.protocol.calls import UNLOCK
from tests.unit.protocol.test_meeting import dies_before_its_create


class TestSweeping:
    async def test_done_lease_stays_longer_than_any_view_that_is_created_upon(self, world: World):
        one = world.instance()
        await one.post(signal())
        one.restart()
        world.pass_time(DONE_LEASE_SECONDS - 1)
        assert await one.gateway.sweeper.sweep() == 0
        assert one.calls == []
        world.pass_time(1)
        assert await one.gateway.sweeper.sweep() == 1
        assert one.calls == [UNLOCK]
        assert await world.leases() == []

    async def test_lease_that_stands_for_another_rr_by_now_is_left_alone(self, world: World):
        a, b = world.instance(), world.instance()
        await a.post(signal())
        world.pass_time(30)
        await world.set_phase("Completed")
        await b.post(signal())
        world.pass_time(36)
        assert await a.gateway.sweeper.sweep() == 0
        assert await world.locks() == ["done"]
        assert await b.gateway.sweeper.sweep() == 0
        world.pass_time(30)
        assert await b.gateway.sweeper.sweep() == 1

    async def test_failure_leaves_the_rest_for_the_next_time(self, world: World):
        one = world.instance()
        await one.post(signal("a"), signal("b"))
        world.pass_time(DONE_LEASE_SECONDS)
        one.wire.on(UNLOCK, drop=True)
        assert await one.gateway.sweeper.sweep() == 0
        assert len(await world.leases()) == 2
        assert await one.gateway.sweeper.sweep() == 2
        assert await world.leases() == []


class Leases:
    """Storage that writes down what it deletes."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    async def delete(self, lease: Lease, *, deadline: Deadline) -> None:
        self.deleted.append(lease.name)


class Locks:
    """Marks every lock."""

    async def mark(self, lock: Lock, state: LockState, *, deadline: Deadline) -> Lock:
        return lock


def lease(name: str) -> Lease:
    return Lease(
        name=name,
        holder="me",
        duration_seconds=1,
        transitions=0,
        uid=name,
        resource_version="1",
        annotations={},
        written_at=START,
        server_time=START,
    )


@pytest.mark.looptime
class TestByItself:
    def sweeper(self, leases: Any, *, capacity: int = 10) -> LeaseSweeper:
        locks: Any = Locks()
        return LeaseSweeper(store=leases, locks=locks, clock=LoopClock(), capacity=capacity)

    async def test_each_lease_goes_when_its_time_has_come(self):
        leases = Leases()
        sweeper = self.sweeper(leases)
        sweeper.start()
        sweeper.note(lease("a"))
        await asyncio.sleep(10)
        sweeper.note(lease("b"))
        await asyncio.sleep(54)
        assert leases.deleted == []
        await asyncio.sleep(1)
        assert leases.deleted == ["a"]
        await asyncio.sleep(10)
        assert leases.deleted == ["a", "b"]
        await sweeper.stop()

    async def test_lease_that_is_marked_anew_waits_its_whole_time_again(self):
        leases = Leases()
        sweeper = self.sweeper(leases)
        sweeper.note(lease("a"))
        await asyncio.sleep(60)
        sweeper.note(lease("a"))
        await asyncio.sleep(60)
        assert await sweeper.sweep() == 0
        await asyncio.sleep(5)
        assert await sweeper.sweep() == 1

    async def test_what_could_not_be_marked_is_marked_within_seconds_and_goes_later(self):
        leases = Leases()
        sweeper = self.sweeper(leases)
        sweeper.start()
        sweeper.note_unmarked(Lock(lease("a"), fingerprint()))
        await asyncio.sleep(5 + DONE_LEASE_SECONDS - 1)
        assert leases.deleted == []
        await asyncio.sleep(2)
        assert leases.deleted == ["a"]
        await sweeper.stop()

    async def test_nothing_goes_before_the_start_nor_after_the_end(self):
        leases = Leases()
        sweeper = self.sweeper(leases)
        sweeper.note(lease("a"))
        await asyncio.sleep(100)
        assert leases.deleted == []
        sweeper.start()
        sweeper.note(lease("b"))
        await sweeper.stop()
        await asyncio.sleep(100)
        assert leases.deleted == []

    async def test_most_that_is_kept_in_mind_is_bounded(self):
        leases = Leases()
        sweeper = self.sweeper(leases, capacity=2)
        for name in "abc":
            sweeper.note(lease(name))
            sweeper.note_unmarked(Lock(lease(f"unmarked-{name}"), fingerprint()))
        await asyncio.sleep(DONE_LEASE_SECONDS)
        assert await sweeper.sweep() == 2 - 2
        await asyncio.sleep(DONE_LEASE_SECONDS)
        assert await sweeper.sweep() == 2
        assert leases.deleted == ["unmarked-b", "unmarked-c"]


class TestPruning:
    async def prune(self, world: World, one: Instance, *, seconds: float = 0, dry_run: bool = False) -> Pruned:
        client = one.gateway.client
        return await prune(
            client=client,
            store=LeaseStore(client=client, namespace=NAMESPACE, clock=world.clock),
            resource=RRS,
            namespace=NAMESPACE,
            older_than_seconds=seconds,
            deadline=Deadline(clock=world.clock, seconds=60),
            dry_run=dry_run,
        )

    async def test_ended_rr_goes_when_it_is_old_enough(self, world: World):
        one = world.instance()
        (result,) = await one.post(signal())
        world.pass_time(1000)
        await world.set_phase("Completed")
        world.pass_time(99)
        assert (await self.prune(world, one, seconds=100)).remediation_requests == []
        world.pass_time(1)
        assert (await self.prune(world, one, seconds=100, dry_run=True)).remediation_requests == [result.rr_name]
        assert len(await world.rrs()) == 1
        assert (await self.prune(world, one, seconds=100)).remediation_requests == [result.rr_name]
        assert await world.rrs() == []

    @pytest.mark.parametrize("phase", ["", "Pending", "Executing", "Blocked", "SomethingNew"])
    async def test_rr_at_work_stays_however_old(self, world: World, phase: str):
        one = world.instance()
        (result,) = await one.post(signal())
        if phase and phase != "SomethingNew":
            await world.set_phase(phase)
        world.pass_time(10**6)
        assert (await self.prune(world, one)).remediation_requests == []
        assert (await world.only_rr())["metadata"]["name"] == result.rr_name

    async def test_ended_rr_that_still_holds_its_problem_stays(self, world: World):
        one = world.instance()
        (result,) = await one.post(signal())
        status = {"overallPhase": "Failed", "outcome": "ManualReviewRequired"}
        await world.call("PATCH", RRS, result.rr_name, "status", status=status)
        world.pass_time(10**6)
        assert (await self.prune(world, one)).remediation_requests == []

    async def test_rr_that_is_put_to_work_again_at_that_moment_stays(self, world: World):
        one = world.instance()
        await one.post(signal())
        await world.set_phase("Completed")
        one.wire.on("DELETE remediationrequests", before=lambda: world.set_phase("Executing"))
        pruned = await self.prune(world, one)
        assert (pruned.remediation_requests, pruned.changed_meanwhile) == ([], 1)
        assert len(await world.rrs()) == 1

    async def test_lease_goes_when_it_is_done_for_an_hour_and_nobody_has_swept_it(self, world: World):
        one = world.instance()
        await one.post(signal())
        world.pass_time(3600)
        assert (await self.prune(world, one)).leases == []
        world.pass_time(1)
        assert (await self.prune(world, one)).leases == [lease_name(fingerprint())]
        assert await world.leases() == []

    async def test_lease_of_a_dead_holder_goes_an_hour_after_nobody_may_wake_any_more(self, world: World):
        await dies_before_its_create(world)
        world.pass_time(30 + 3600 + 3600)
        one = world.instance()
        assert (await self.prune(world, one)).leases == []
        world.pass_time(1)
        assert (await self.prune(world, one)).leases == [lease_name(fingerprint())]

    async def test_dying_rr_is_not_deleted_again(self, world: World):
        one = world.instance()
        (result,) = await one.post(signal())
        await world.set_phase("Completed")
        rr = await world.only_rr()
        rr["metadata"]["finalizers"] = ["example.com/slow"]
        await world.call("PUT", RRS, result.rr_name, **rr)
        await world.delete_rr()
        one.restart()
        assert (await self.prune(world, one)).remediation_requests == []
        assert "DELETE remediationrequests" not in one.calls

    async def test_lease_of_another_gateway_or_program_stays(self, world: World):
        for name in (lease_name(fingerprint()), "leader"):
            spec = {"holderIdentity": "another", "leaseDurationSeconds": 30}
            kind = {"apiVersion": LEASES.api_version, "kind": LEASES.kind}
            await world.call("POST", LEASES, **kind, metadata={"name": name}, spec=spec)
        world.pass_time(10**6)
        assert (await self.prune(world, world.instance())).leases == []

    async def test_problem_that_comes_again_after_all_is_pruned_gets_a_name_of_its_own(self, world: World):
        one, names = world.instance(), set()
        for _ in range(3):
            (result,) = await one.post(signal())
            assert result.status is Status.CREATED
            names.add(result.rr_name)
            await world.set_phase("Completed")
            world.pass_time(timedelta(hours=2).total_seconds())
            await self.prune(world, one)
            assert await world.leases() == []
            assert await world.rrs() == []
        assert len(names) == 3

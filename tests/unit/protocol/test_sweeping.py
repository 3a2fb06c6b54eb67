"""Done Leases go off the burst, RRs that ended long ago by `prune`; what has changed since stays."""

from datetime import timedelta

import pytest

from core.common.resilience import Deadline
from core.kube.resources import LEASES
from core.protocol.lease import LeaseStore, lease_name
from core.protocol.lock import DONE_LEASE_SECONDS
from core.protocol.pruning import Pruned, prune
from core.results import Status
from tests.support.instances import NAMESPACE, REQUESTS, Instance, World, fingerprint, signal

UNLOCK = "DELETE leases"


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


class TestPruning:
    async def prune(self, world: World, one: Instance, *, seconds: float = 0, dry_run: bool = False) -> Pruned:
        client = one.gateway.client
        return await prune(
            client=client,
            store=LeaseStore(client=client, namespace=NAMESPACE, clock=world.clock),
            resource=REQUESTS,
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
        assert len(await world.requests()) == 1
        assert (await self.prune(world, one, seconds=100)).remediation_requests == [result.rr_name]
        assert await world.requests() == []

    @pytest.mark.parametrize("phase", ["", "Pending", "Executing", "Blocked", "SomethingNew"])
    async def test_rr_at_work_stays_however_old(self, world: World, phase: str):
        one = world.instance()
        (result,) = await one.post(signal())
        if phase and phase != "SomethingNew":
            await world.set_phase(phase)
        world.pass_time(10**6)
        assert (await self.prune(world, one)).remediation_requests == []
        assert (await world.only_request())["metadata"]["name"] == result.rr_name

    async def test_ended_rr_that_still_holds_its_problem_stays(self, world: World):
        one = world.instance()
        (result,) = await one.post(signal())
        status = {"overallPhase": "Failed", "outcome": "ManualReviewRequired"}
        await world.call("PATCH", REQUESTS, result.rr_name, "status", status=status)
        world.pass_time(10**6)
        assert (await self.prune(world, one)).remediation_requests == []

    async def test_rr_that_is_put_to_work_again_at_that_moment_stays(self, world: World):
        one = world.instance()
        await one.post(signal())
        await world.set_phase("Completed")
        one.wire.on("DELETE remediationrequests", before=lambda: world.set_phase("Executing"))
        pruned = await self.prune(world, one)
        assert (pruned.remediation_requests, pruned.changed_meanwhile) == ([], 1)
        assert len(await world.requests()) == 1

    async def test_lease_goes_when_it_is_done_for_an_hour_and_nobody_has_swept_it(self, world: World):
        one = world.instance()
        await one.post(signal())
        world.pass_time(3600)
        assert (await self.prune(world, one)).leases == []
        world.pass_time(1)
        assert (await self.prune(world, one)).leases == [lease_name(fingerprint())]
        assert await world.leases() == []

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
            assert await world.requests() == []
        assert len(names) == 3

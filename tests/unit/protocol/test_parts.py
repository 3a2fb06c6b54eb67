"""kubernaut's parts one by one, where a whole delivery does not show them."""

from itertools import cycle

import pytest

from core.common.resilience import Deadline
from core.kube.errors import ConflictError, ForbiddenError, ServerError, UnreadableAnswerError
from core.kube.resources import LEASES
from core.kube.transport import ApiResponse
from core.protocol.lease import LeaseStore
from core.protocol.lock import RR_ANNOTATION, DistributedLockManager, LockState
from core.protocol.placement import PhaseBasedDeduplicationChecker
from core.protocol.remediation_request import RemediationRequest, fenced_name
from core.protocol.status import CONFLICT_BACKOFF, StatusUpdater
from core.results import Status
from tests.support.instances import NAMESPACE, RRS, Instance, World, count, fingerprint, signal
from tests.support.wire import Fault
from tests.unit.protocol.calls import COUNT

FORBIDDEN = ApiResponse(403, {}, b'{"kind":"Status","reason":"Forbidden","message":"no"}')
DATED = {"Date": "Fri, 02 Jan 2026 03:04:05 GMT"}
THROTTLED = ApiResponse(429, {"Retry-After": "60"}, b'{"kind":"Status","reason":"TooManyRequests","message":"slow"}')

UNAVAILABLE = ApiResponse(503, {}, b'{"kind":"Status","reason":"ServiceUnavailable","message":"not now"}')


@pytest.fixture
def deadline(world: World) -> Deadline:
    return Deadline(clock=world.clock, seconds=8)


class TestShouldDeduplicate:
    def checker(self, world: World, one: Instance) -> PhaseBasedDeduplicationChecker:
        return PhaseBasedDeduplicationChecker(
            client=one.gateway.client, resource=RRS, namespace=NAMESPACE, clock=world.clock
        )

    async def test_nothing_to_join_where_there_is_no_rr(self, world: World, deadline: Deadline):
        checker = self.checker(world, world.instance())
        assert await checker.should_deduplicate(fingerprint(), deadline=deadline) == (False, None)

    async def test_active_rr_is_joined(self, world: World, deadline: Deadline):
        one = world.instance()
        (result,) = await one.post(signal())
        found, request = await self.checker(world, one).should_deduplicate(fingerprint(), deadline=deadline)
        assert found
        assert request is not None
        assert request.name == result.rr_name

    async def test_ended_rr_is_not_joined(self, world: World, deadline: Deadline):
        one = world.instance()
        await one.post(signal())
        await world.set_phase("TimedOut")
        checker = self.checker(world, one)
        assert await checker.should_deduplicate(fingerprint(), deadline=deadline) == (False, None)


class TestLockManager:
    def locks(self, world: World, one: Instance) -> DistributedLockManager:
        store = LeaseStore(client=one.gateway.client, namespace=NAMESPACE, clock=world.clock)
        return DistributedLockManager(store=store)

    async def test_holder_that_asks_again_still_holds_it(self, world: World, deadline: Deadline):
        locks = self.locks(world, world.instance())
        first = await locks.acquire_lock(fingerprint(), holder="me", deadline=deadline)
        assert first is not None
        assert await locks.acquire_lock(fingerprint(), holder="me", deadline=deadline) == first

    async def test_losing_is_a_value(self, world: World, deadline: Deadline):
        locks = self.locks(world, world.instance())
        await locks.acquire_lock(fingerprint(), holder="me", deadline=deadline)
        assert await locks.acquire_lock(fingerprint(), holder="you", deadline=deadline) is None

    async def test_releasing_twice_is_fine(self, world: World, deadline: Deadline):
        locks = self.locks(world, world.instance())
        held = await locks.acquire_lock(fingerprint(), holder="me", deadline=deadline)
        assert held is not None
        await locks.release_lock(held, deadline=deadline)
        await locks.release_lock(held, deadline=deadline)
        assert await world.leases() == []

    async def test_release_leaves_alone_what_is_anothers_by_now(self, world: World, deadline: Deadline):
        locks = self.locks(world, world.instance())
        held = await locks.acquire_lock(fingerprint(), holder="me", deadline=deadline)
        assert held is not None
        world.pass_time(31)
        deadline = Deadline(clock=world.clock, seconds=8)
        assert await locks.acquire_lock(fingerprint(), holder="you", deadline=deadline)
        await locks.release_lock(held, deadline=deadline)
        (lease,) = await world.leases()
        assert lease["spec"]["holderIdentity"] == "you"

    @pytest.mark.parametrize(("state", "new_name"), [(LockState.DONE, True), (LockState.ABANDONED, False)])
    async def test_what_its_holder_has_finished_is_taken_at_once_by_the_holder_itself_too(
        self, world: World, deadline: Deadline, state: LockState, new_name: bool
    ):
        locks = self.locks(world, world.instance())
        lock = await locks.create_lock(fingerprint(), holder="me", deadline=deadline)
        assert lock is not None
        marked = await locks.mark(lock, state, deadline=deadline)
        assert marked is not None
        taken = await locks.acquire_lock(fingerprint(), holder="me", deadline=deadline)
        assert taken is not None
        assert taken.transitions == marked.lease.transitions + 1
        assert (taken.annotations[RR_ANNOTATION] != lock.rr_name) is new_name

    @pytest.mark.parametrize("ours", [True, False])
    async def test_lock_that_has_run_out_keeps_the_name_of_one_of_us(
        self, world: World, deadline: Deadline, ours: bool
    ):
        locks = self.locks(world, world.instance())
        await locks.acquire_lock(fingerprint(), holder="me", deadline=deadline)
        (lease,) = await world.leases()
        if not ours:
            lease["spec"]["holderIdentity"] = "gateway-go"
            lease = await world.call("PUT", LEASES, lease["metadata"]["name"], **lease)
        world.pass_time(31)
        deadline = Deadline(clock=world.clock, seconds=8)
        taken = await locks.acquire_lock(fingerprint(), holder="you", deadline=deadline)
        assert taken is not None
        kept = fenced_name(fingerprint(), lease_uid=lease["metadata"]["uid"])
        assert (taken.annotations[RR_ANNOTATION] == kept) is ours

    async def test_mark_is_not_made_on_a_lock_that_stands_for_another_name_by_now(
        self, world: World, deadline: Deadline
    ):
        locks = self.locks(world, world.instance())
        lock = await locks.create_lock(fingerprint(), holder="me", deadline=deadline)
        assert lock is not None
        assert await locks.take_over(lock, holder="me", new_name=True, deadline=deadline)
        assert await locks.mark(lock, LockState.DONE, deadline=deadline) is None
        assert await world.locks() == ["held"]

    def test_duration_that_no_lease_can_have_is_refused(self, world: World):
        store = LeaseStore(client=world.instance().gateway.client, namespace=NAMESPACE, clock=world.clock)
        with pytest.raises(ValueError, match="lock duration is 0 s"):
            DistributedLockManager(store=store, duration_seconds=0)

    async def test_answer_that_is_no_lease_is_told_as_such(self, world: World, deadline: Deadline):
        one = world.instance()
        one.wire.on("CREATE leases", answer=ApiResponse(201, DATED, b'{"kind":"Lease"}'))
        with pytest.raises(UnreadableAnswerError, match="Lease cannot be read"):
            await self.locks(world, one).acquire_lock(fingerprint(), holder="me", deadline=deadline)


class TestStatusUpdater:
    async def seen(self, world: World) -> RemediationRequest:
        return RemediationRequest.from_object(await world.only_rr())

    def updater(self, world: World, one: Instance) -> StatusUpdater:
        return StatusUpdater(client=one.gateway.client, resource=RRS, clock=world.clock, random=lambda: 0.5)

    async def test_signals_are_added_to_what_is_there(self, world: World, deadline: Deadline):
        one = world.instance()
        await one.post(signal())
        counted = await self.updater(world, one).update_deduplication_status(
            await self.seen(world), occurrences=3, deadline=deadline
        )
        assert counted.stored
        assert count(await world.only_rr()) == 4

    async def test_refusal_is_not_tried_again(self, world: World, deadline: Deadline):
        one = world.instance()
        await one.post(signal())
        one.restart()
        one.wire.on(COUNT, answer=FORBIDDEN)
        with pytest.raises(ForbiddenError, match="remediationrequests/status"):
            await self.updater(world, one).update_deduplication_status(
                await self.seen(world), occurrences=1, deadline=deadline
            )
        assert one.calls == [COUNT]

    async def test_server_that_asks_for_more_time_than_there_is_ends_the_tries(self, world: World):
        one = world.instance()
        await one.post(signal())
        one.restart()
        one.wire.on(COUNT, answer=THROTTLED)
        (result,) = await one.post(signal())
        assert one.calls == [COUNT]
        assert result.status is Status.FAILED
        assert result.retry_after == 60

    async def moving(self, world: World, one: Instance, times: int) -> RemediationRequest:
        """Let the orchestrator write before each of the next counts; return the request as it was before."""
        phases = cycle(["Pending", "Processing", "Analyzing", "Executing", "Verifying"])

        async def move() -> None:
            await world.set_phase(next(phases))

        await one.post(signal())
        one.restart()
        one.wire.faults += [Fault(call=COUNT, before=move) for _ in range(times)]
        return await self.seen(world)

    async def test_writer_that_meets_others_again_and_again_gets_on_in_the_end(self, world: World, deadline: Deadline):
        one = world.instance()
        seen = await self.moving(world, one, CONFLICT_BACKOFF.steps - 1)
        counted = await self.updater(world, one).update_deduplication_status(seen, occurrences=1, deadline=deadline)
        assert counted.stored
        assert counted.conflicts == CONFLICT_BACKOFF.steps - 1
        assert one.calls == [COUNT, *(["GET remediationrequests", COUNT] * counted.conflicts)]

    async def test_writer_that_met_others_at_every_try_gives_up(self, world: World, deadline: Deadline):
        one = world.instance()
        seen = await self.moving(world, one, CONFLICT_BACKOFF.steps)
        started = world.clock.monotonic()
        with pytest.raises(ConflictError):
            await self.updater(world, one).update_deduplication_status(seen, occurrences=1, deadline=deadline)
        assert one.calls == [COUNT, *(["GET remediationrequests", COUNT] * (CONFLICT_BACKOFF.steps - 1))]
        # From 5 to 15 ms each in the middle of their jitter; none before the first fresh read.
        assert world.clock.monotonic() - started == pytest.approx(
            sum(0.005 * 1.05**index for index in range(1, CONFLICT_BACKOFF.steps - 1)), abs=1e-4
        )

    async def test_alert_that_met_others_at_every_try_is_to_be_sent_again(self, world: World):
        one = world.instance()
        await self.moving(world, one, CONFLICT_BACKOFF.steps)
        (result,) = await one.post(signal())
        assert result.status is Status.FAILED
        assert count(await world.only_rr()) == 1

    async def test_failures_that_pass_are_waited_for_as_the_seed_does(self, world: World, deadline: Deadline):
        one = world.instance()
        await one.post(signal())
        one.restart()
        one.wire.faults += [Fault(call=COUNT, answer=UNAVAILABLE) for _ in range(4)]
        started = world.clock.monotonic()
        with pytest.raises(ServerError):
            await self.updater(world, one).update_deduplication_status(
                await self.seen(world), occurrences=1, deadline=deadline
            )
        assert one.calls == [COUNT, *(["GET remediationrequests", COUNT] * 3)]
        assert world.clock.monotonic() - started == pytest.approx(0.010 + 0.050 + 0.250)

"""What became of a call for the lock is not known: nothing of ours stays behind, and nothing of others' is touched."""

import pytest

from core.kube.transport import ApiRequest, ApiResponse
from core.results import Status
from tests.support.instances import World, signal
from tests.support.wire import deliver
from tests.unit.protocol.calls import COUNT, CREATE, LOCK, LOOK, READ, READ_LOCK, UPDATE_LOCK
from tests.unit.protocol.test_meeting import dies_after_its_create
from tests.unit.protocol.test_parts import FORBIDDEN


async def test_lock_of_another_is_left_alone_by_who_asked_in_vain(world: World):
    one = world.instance()
    one.wire.on(LOCK, before=lambda: dies_after_its_create(world), drop=True)
    (result,) = await one.post(signal())
    assert one.calls == [LOOK, LOCK, LOOK, READ_LOCK, COUNT]
    assert result.status is Status.DEDUPLICATED
    assert await world.locks() == ["held"]


async def test_take_over_that_arrives_late_is_given_back_by_who_has_joined_meanwhile(world: World):
    await world.instance().post(signal())
    await world.set_phase("Completed")
    one, late = world.instance(), list[ApiRequest]()

    def keep(sent: ApiRequest) -> ApiResponse:
        late.append(sent)
        return ApiResponse(504, {}, b"")

    one.wire.on(UPDATE_LOCK, answer=keep)
    one.wire.on(READ)
    one.wire.on(READ, before=lambda: world.set_phase("Executing"), after=lambda: deliver(world.app, late[0]))
    (result,) = await one.post(signal())
    met = [LOOK, LOCK, READ_LOCK, READ]
    assert one.calls == [*met, UPDATE_LOCK, *met, READ_LOCK, UPDATE_LOCK, COUNT]
    assert result.status is Status.DEDUPLICATED
    assert await world.locks() == ["abandoned"]


async def test_refusal_after_an_answer_that_was_lost_leaves_the_name_for_the_next(world: World):
    one = world.instance()
    one.wire.on(CREATE, lose_answer=True)
    one.wire.on(CREATE, answer=FORBIDDEN)
    (result,) = await one.post(signal())
    assert one.calls == [LOOK, LOCK, CREATE, CREATE, UPDATE_LOCK]
    assert result.status is Status.FAILED
    assert await world.locks() == ["abandoned"]


async def test_refusal_of_the_first_create_leaves_no_lock(world: World):
    one = world.instance()
    one.wire.on(CREATE, answer=FORBIDDEN)
    await one.post(signal())
    assert one.calls == [LOOK, LOCK, CREATE, "DELETE leases"]


@pytest.mark.parametrize(("state", "seconds"), [("done", 1), ("abandoned", 1), ("held", 30)])
async def test_only_a_held_lock_holds_up_gateways_that_judge_by_its_duration(world: World, state: str, seconds: int):
    one = world.instance()
    if state == "abandoned":
        for _ in range(3):
            one.wire.on(CREATE, drop=True)
    if state == "held":
        await dies_after_its_create(world)
    else:
        await one.post(signal())
    (lease,) = await world.leases()
    assert (await world.locks(), lease["spec"]["leaseDurationSeconds"]) == ([state], seconds)

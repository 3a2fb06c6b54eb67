"""The name that a Lease stands for is taken by what is not ours: another problem's RR, or an older one."""

from core.protocol.lease import lease_name
from core.protocol.lock import DONE_LEASE_SECONDS, RR_ANNOTATION
from core.protocol.remediation_request import fenced_name
from core.results import Status
from tests.support.instances import RRS, World, fingerprint, signal
from tests.unit.protocol.calls import (
    COUNT,
    CREATE,
    GO_ON,
    LOCK,
    LOOK,
    LOOK_CONSISTENTLY,
    MEET,
    READ,
    TWIN,
    UNLOCK,
    UPDATE_LOCK,
)
from tests.unit.protocol.test_meeting import dies_before_its_create


async def next_name(world: World) -> str:
    """The name that the problem's Lease stands for now."""
    (meta,) = [
        each["metadata"] for each in await world.leases() if each["metadata"]["name"] == lease_name(fingerprint())
    ]
    return meta["annotations"].get(RR_ANNOTATION) or fenced_name(fingerprint(), lease_uid=meta["uid"])


async def take(world: World, name: str, *, of: str = TWIN, phase: str = "") -> None:
    """Store an RR under `name`, as any gateway makes it."""
    await world.instance().post(signal("other"))
    (made,) = await world.rrs(fingerprint("other"))
    spec = made["spec"] | {"signalFingerprint": of}
    kind = {"apiVersion": made["apiVersion"], "kind": made["kind"]}
    await world.call("POST", RRS, **kind, metadata={"name": name}, spec=spec)
    if phase:
        await world.call("PATCH", RRS, name, "status", status={"overallPhase": phase})


async def test_another_problems_rr_at_work_under_the_name_is_not_joined(world: World):
    one = world.instance()

    async def take_the_name() -> None:
        await take(world, await next_name(world))

    one.wire.on(CREATE, before=take_the_name)
    (result,) = await one.post(signal())
    assert one.calls == [LOOK, LOCK, CREATE, READ, UPDATE_LOCK, LOOK, CREATE, UPDATE_LOCK]
    assert result.status is Status.CREATED


async def test_another_problems_rr_at_work_that_a_lock_seems_to_stand_for_is_not_joined(world: World):
    name = await dies_before_its_create(world)
    await take(world, name)
    world.pass_time(31)
    one = world.instance()
    (result,) = await one.post(signal())
    assert one.calls == [*MEET, *GO_ON]
    assert (result.status, result.rr_name == name) == (Status.CREATED, False)


async def test_another_problems_rr_that_has_the_ended_heads_name_by_now_is_not_joined(world: World):
    old = await ended_and_swept(world)
    one = world.instance()

    async def replace() -> None:
        await world.delete_rr()
        await take(world, old)

    one.wire.on(LOOK, after=replace)
    (result,) = await one.post(signal())
    assert one.calls == [LOOK, LOCK, READ, CREATE, UPDATE_LOCK]
    assert result.status is Status.CREATED


async def test_head_that_takes_long_to_read_makes_the_view_too_old_to_create_upon(world: World):
    await ended_and_swept(world)
    one, other = world.instance(), world.instance()

    async def stall() -> None:
        world.pass_time(3)

    one.wire.on(READ, after=stall)
    (result,) = await one.post(signal())
    assert one.calls == [LOOK, LOCK, READ, LOOK, CREATE, UPDATE_LOCK]
    assert result.status is Status.CREATED
    assert other.calls == []


async def test_consistent_view_needs_no_second_look_at_its_head(world: World):
    await ended_and_swept(world)
    one = world.instance(reads="consistent")
    await one.post(signal())
    assert one.calls == [LOOK, LOCK, LOOK_CONSISTENTLY, CREATE, UPDATE_LOCK]


async def test_lock_with_a_name_that_was_never_sent_is_deleted_by_who_joins_instead(world: World):
    one = world.instance()

    async def take_the_name() -> None:
        await take(world, await next_name(world), of=fingerprint(), phase="Completed")

    async def another_comes() -> None:
        await take(world, f"rr-{fingerprint()[:12]}-00000000", of=fingerprint())

    one.wire.on(CREATE, before=take_the_name)
    one.wire.on(UPDATE_LOCK, after=another_comes)
    (result,) = await one.post(signal())
    assert one.calls == [LOOK, LOCK, CREATE, READ, UPDATE_LOCK, LOOK, UNLOCK, COUNT]
    assert result.status is Status.DEDUPLICATED


async def test_walk_over_taken_names_ends_after_five(world: World):
    one = world.instance()

    async def take_the_name() -> None:
        await take(world, await next_name(world), of=fingerprint(), phase="Completed")

    for _ in range(6):
        one.wire.on(CREATE, before=take_the_name)
    (result,) = await one.post(signal())
    assert one.calls == [LOOK, LOCK, *([CREATE, READ, UPDATE_LOCK, LOOK] * 5), UNLOCK]
    assert result.status is Status.FAILED
    assert "5 names in turn are taken" in result.error


async def ended_and_swept(world: World) -> str:
    """Leave an ended RR and no Lease; return the RR's name."""
    one = world.instance()
    (result,) = await one.post(signal())
    await world.set_phase("Completed")
    world.pass_time(DONE_LEASE_SECONDS)
    assert await one.gateway.sweeper.sweep() == 1
    return result.rr_name

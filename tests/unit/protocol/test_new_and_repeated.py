"""The two paths of every day, and what they cost."""

from core.results import Status
from tests.support.instances import NAMESPACE, World, count, fingerprint, signal
from tests.unit.protocol.calls import NEW, NEW_OF_SEVERAL


async def test_first_signal_creates_an_rr_in_four_calls(world: World):
    one = world.instance()
    (result,) = await one.post(signal())
    assert one.calls == NEW
    assert result.status is Status.CREATED
    rr = await world.only_rr()
    assert rr["metadata"]["name"] == result.rr_name
    assert rr["metadata"]["namespace"] == result.rr_namespace == NAMESPACE
    assert count(rr) == 1
    assert await world.locks() == ["done"]


async def test_first_count_is_written_where_readers_want_it(world: World):
    one = world.instance(first_count="written")
    (result,) = await one.post(signal())
    assert one.calls == NEW_OF_SEVERAL
    known = (await world.only_rr())["status"]["deduplication"]
    assert result.metadata is not None
    assert (known["occurrenceCount"], known["firstSeenAt"]) == (1, result.metadata["firstOccurrence"])


async def test_repeat_costs_one_call_where_the_rr_is_remembered(world: World):
    one = world.instance()
    await one.post(signal())
    one.restart()
    (result,) = await one.post(signal())
    assert one.calls == ["PATCH remediationrequests/status"]
    assert result.status is Status.DEDUPLICATED


async def test_repeat_costs_two_calls_on_an_instance_that_was_just_started(world: World):
    await world.instance().post(signal())
    cold = world.instance()
    (result,) = await cold.post(signal())
    assert cold.calls == ["LIST remediationrequests", "PATCH remediationrequests/status"]
    assert result.status is Status.DEDUPLICATED
    assert count(await world.only_rr()) == 2


async def test_repeat_keeps_the_first_time_and_moves_the_last(world: World):
    one = world.instance()
    await one.post(signal())
    created = (await world.only_rr())["metadata"]["creationTimestamp"]
    await one.post(signal())
    before = (await world.only_rr())["status"]["deduplication"]
    assert before["firstSeenAt"] == created
    world.pass_time(60)
    await one.post(signal())
    after = (await world.only_rr())["status"]["deduplication"]
    assert after["firstSeenAt"] == before["firstSeenAt"]
    assert after["lastSeenAt"] > before["lastSeenAt"]


async def test_repeat_touches_nothing_that_others_own(world: World):
    one = world.instance()
    await one.post(signal())
    await world.set_phase("Executing")
    before = await world.only_rr()
    await one.post(signal())
    after = await world.only_rr()
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert {**after["status"], "deduplication": None} == {**before["status"], "deduplication": None}


async def test_signals_of_one_webhook_on_one_workload_share_one_patch(world: World):
    one = world.instance()
    results = await one.post(signal(), signal(), signal())
    assert one.calls == NEW_OF_SEVERAL
    assert [result.status for result in results] == [Status.CREATED, Status.DEDUPLICATED, Status.DEDUPLICATED]
    assert [result.metadata["count"] for result in results if result.metadata] == [1, 2, 3]
    assert count(await world.only_rr()) == 3


async def test_signals_on_different_workloads_get_an_rr_each_and_keep_their_order(world: World):
    one = world.instance()
    results = await one.post(signal("a"), signal("b"), signal("a"), signal("c"))
    assert [result.fingerprint for result in results] == [fingerprint(name) for name in "abac"]
    assert [result.status.value for result in results] == ["created", "created", "deduplicated", "created"]


async def test_signal_after_the_rr_ended_creates_the_next_one(world: World):
    one = world.instance()
    await one.post(signal())
    await world.set_phase("Completed")
    one.restart()
    (result,) = await one.post(signal())
    assert result.status is Status.CREATED
    assert one.calls == [
        "PATCH remediationrequests/status",  # the remembered request: refused, it has changed
        "GET remediationrequests",  # terminal
        "LIST remediationrequests",
        "CREATE leases",  # there is one, done
        "GET leases",
        "GET remediationrequests",  # the RR that it points to has ended
        "UPDATE leases",  # taken over, with a new name
        "CREATE remediationrequests",
        "UPDATE leases",
    ]
    first, second = sorted(await world.rrs(), key=lambda rr: rr["metadata"]["name"] == result.rr_name)
    assert count(first) == count(second) == 1


async def test_phases_that_are_not_over_keep_collecting_signals(world: World):
    one = world.instance()
    await one.post(signal())
    for phase in ("Pending", "Blocked", "Verifying", "AwaitingApproval"):
        await world.set_phase(phase)
        (result,) = await one.post(signal())
        assert result.status is Status.DEDUPLICATED, phase
    assert count(await world.only_rr()) == 5


async def test_names_of_successive_rrs_form_a_chain(world: World):
    one = world.instance()
    names = []
    for _ in range(3):
        (result,) = await one.post(signal())
        names.append(result.rr_name)
        await world.set_phase("Failed")
        world.pass_time(1)
    assert len(set(names)) == 3
    assert all(name.startswith(f"rr-{fingerprint()[:12]}-") for name in names)
    await world.close()


async def test_consistent_reads_look_once_more_under_the_lease(world: World):
    one = world.instance(reads="consistent")
    await one.post(signal())
    assert one.calls == [
        "LIST remediationrequests",
        "CREATE leases",
        "LIST remediationrequests consistently",
        "CREATE remediationrequests",
        "UPDATE leases",
    ]

"""An RR is told which of its alerts fire, and by a condition when all of them are resolved."""

from dataclasses import replace
from typing import Any

import pytest

from core.results import SignalResult, Status
from core.signals.signal import NormalizedSignal
from tests.support.instances import RRS, Instance, World, at_once, count, signal
from tests.unit.protocol.calls import LOOK, LOOK_CONSISTENTLY, PATCH, READ

OTHERS = {"type": "Ready", "status": "False", "reason": "Working", "lastTransitionTime": "2026-01-02T03:04:05Z"}


def fires(alert: str, **fields: Any) -> NormalizedSignal:
    return replace(signal(), alert=alert, **fields)


def ended(alert: str) -> NormalizedSignal:
    return fires(alert, resolved=True)


async def condition(world: World) -> Any:
    """The condition's status of the only RR, None where it has none."""
    found = [each for each in await conditions(world) if each["type"] == "SignalResolved"]
    return found[0]["status"] if found else None


async def conditions(world: World) -> list[Any]:
    return list((await world.only_rr()).get("status", {}).get("conditions", []))


async def firing(world: World) -> Any:
    return (await world.only_rr())["status"].get("deduplication", {}).get("firing")


def is_told(result: SignalResult) -> bool:
    return (result.status, result.reason) == (Status.IGNORED, "resolved")


async def opened(world: World, *alerts: str) -> Instance:
    """An instance that has stored an RR which the alerts have joined."""
    one = world.instance()
    for alert in alerts:
        await one.post(fires(alert))
    one.restart()
    return one


class TestAllResolved:
    async def test_the_only_alert_is_resolved(self, world: World):
        one = await opened(world, "a")
        (result,) = await one.post(ended("a"))
        assert is_told(result)
        assert one.calls == [PATCH]
        assert await condition(world) == "True"
        assert await firing(world) == []

    async def test_by_an_instance_that_knows_nothing_of_it(self, world: World):
        await opened(world, "a")
        other = world.instance()
        await other.post(ended("a"))
        assert other.calls == [LOOK_CONSISTENTLY, PATCH]
        assert await condition(world) == "True"

    async def test_one_after_the_other(self, world: World):
        one = await opened(world, "a", "b", "c")
        assert await firing(world) == ["a", "b", "c"]
        for alert, told in (("b", None), ("a", None), ("c", "True")):
            await one.post(ended(alert))
            assert await condition(world) == told
        assert one.calls == [PATCH] * 3

    async def test_in_one_webhook(self, world: World):
        one = await opened(world, "a", "b")
        assert all(map(is_told, await one.post(ended("a"), ended("b"))))
        assert one.calls == [PATCH]
        assert await condition(world) == "True"

    async def test_counts_nothing_and_touches_no_phase(self, world: World):
        one = await opened(world, "a", "a")
        before = await world.only_rr()
        await one.post(ended("a"))
        after = await world.only_rr()
        assert count(after) == count(before) == 2
        assert after["status"]["deduplication"]["lastSeenAt"] == before["status"]["deduplication"]["lastSeenAt"]
        assert "overallPhase" not in after["status"]
        assert await condition(world) == "True"

    async def test_rr_without_a_count_stands_for_one_afterwards(self, world: World):
        one = await opened(world, "a")
        await one.post(ended("a"))
        (repeat,) = await one.post(fires("a"))
        assert (repeat.metadata or {})["count"] == count(await world.only_rr()) == 2

    async def test_again_costs_a_look_and_writes_nothing(self, world: World):
        one = await opened(world, "a")
        await one.post(ended("a"))
        one.restart()
        version = (await world.only_rr())["metadata"]["resourceVersion"]
        await one.post(ended("a"))
        assert one.calls == [LOOK_CONSISTENTLY]
        assert (await world.only_rr())["metadata"]["resourceVersion"] == version


class TestFiringAgain:
    async def test_takes_the_condition_back_with_its_count(self, world: World):
        one = await opened(world, "a")
        await one.post(ended("a"))
        one.restart()
        await one.post(fires("a"))
        assert one.calls == [PATCH]
        assert await condition(world) == "False"
        assert await firing(world) == ["a"]
        assert count(await world.only_rr()) == 2

    async def test_other_alert_takes_it_back_too(self, world: World):
        await opened(world, "a")
        await world.instance().post(ended("a"))
        await world.instance().post(fires("b"))
        assert (await condition(world), await firing(world)) == ("False", ["b"])

    async def test_event_does_not(self, world: World):
        one = await opened(world, "a")
        await one.post(ended("a"))
        await one.post(signal())  # of what nothing is ever resolved
        assert (await condition(world), await firing(world)) == ("True", [])

    @pytest.mark.parametrize(
        ("posted", "left", "told"),
        [
            ([ended("a"), fires("a")], ["a"], None),
            ([fires("b"), ended("b"), ended("a")], [], "True"),
            ([ended("a"), fires("b"), ended("b")], [], "True"),
            ([fires("b"), ended("a")], ["b"], None),
        ],
    )
    async def test_order_within_a_webhook_counts(self, world: World, posted: Any, left: Any, told: Any):
        one = await opened(world, "a")
        await one.post(*posted)
        assert one.calls == [PATCH]
        assert (await firing(world), await condition(world)) == (left, told)

    async def test_alert_that_opens_the_next_rr_and_is_resolved_in_the_same_round_is_told_there(self, world: World):
        one = await opened(world, "a")
        await world.set_phase("Completed")  # it remembers it at work
        await one.post(fires("a"), ended("a"))
        old, new = await world.rrs()
        assert "conditions" not in old["status"]
        assert [each["status"] for each in new["status"]["conditions"]] == ["True"]


class TestNobodyToTell:
    async def test_without_an_rr_nothing_is_created(self, world: World):
        one = world.instance()
        (result,) = await one.post(ended("a"))
        assert is_told(result)
        assert one.calls == [LOOK_CONSISTENTLY]
        assert await world.rrs() == []

    async def test_alert_that_never_joined_changes_nothing(self, world: World):
        one = await opened(world, "a")
        await one.post(ended("b"))
        assert one.calls == [LOOK_CONSISTENTLY]
        assert await condition(world) is None

    async def test_rr_that_has_ended_is_left_alone(self, world: World):
        one = await opened(world, "a")
        await world.set_phase("Completed")
        await one.post(ended("a"))
        assert one.calls == [PATCH, READ]  # the one remembered was at work: its PATCH is refused
        assert await condition(world) is None

    async def test_new_rr_in_the_same_webhook_needs_no_more_calls(self, world: World):
        one = world.instance()
        first, second = await one.post(fires("a"), ended("b"))
        assert (first.status, is_told(second)) == (Status.CREATED, True)
        assert one.calls == [LOOK, "CREATE leases", "CREATE remediationrequests", "UPDATE leases"]

    async def test_setting_keeps_nothing_and_asks_nobody(self, world: World):
        one = world.instance(resolved="ignore")
        await one.post(fires("a"))
        await one.post(fires("b"))
        assert await firing(world) is None


class TestSideBySide:
    async def test_resolved_here_and_fired_there_at_once_never_contradict(self, world: World):
        await opened(world, "a")
        one, other = world.instance("one"), world.instance("other")
        await at_once(one.post(ended("a")), other.post(fires("b")))
        assert (await firing(world), await condition(world)) in ((["b"], None), (["b"], "False"))

    async def test_alert_that_joined_elsewhere_meanwhile_keeps_it_unresolved(self, world: World):
        one = await opened(world, "a")
        await world.instance().post(fires("b"))
        await one.post(ended("a"))  # it remembers a alone
        assert one.calls == [PATCH, READ, PATCH]
        assert (await firing(world), await condition(world)) == (["b"], None)

    async def test_alert_that_joined_elsewhere_is_resolved_here(self, world: World):
        one = await opened(world, "a")
        await world.instance().post(fires("b"))
        await one.post(ended("b"))
        assert one.calls == [LOOK_CONSISTENTLY, PATCH]
        assert await firing(world) == ["a"]

    async def test_lost_answer_is_found_to_have_told(self, world: World):
        one = await opened(world, "a")
        one.wire.on(PATCH, lose_answer=True)
        (result,) = await one.post(ended("a"))
        assert is_told(result)
        assert one.calls == [PATCH, READ]
        assert await condition(world) == "True"

    async def test_telling_that_fails_comes_again(self, world: World):
        one = await opened(world, "a")
        for _ in range(8):
            one.wire.on(PATCH, drop=True)
        (result,) = await one.post(ended("a"))
        assert result.status is Status.FAILED
        one.wire.faults.clear()
        await one.post(ended("a"))
        assert await condition(world) == "True"


class TestOthersWrite:
    async def test_their_conditions_stay(self, world: World):
        one = await opened(world, "a")
        await world.call("PATCH", RRS, await self._name(world), "status", status={"conditions": [OTHERS]})
        await one.post(ended("a"))
        assert one.calls == [PATCH, READ, PATCH]
        assert OTHERS in await conditions(world)
        assert await condition(world) == "True"

    async def test_their_conditions_are_read_again_and_not_remembered(self, world: World):
        one = await opened(world, "a")
        await world.call("PATCH", RRS, await self._name(world), "status", status={"conditions": [OTHERS]})
        await one.post(fires("a"))
        one.restart()
        await one.post(ended("a"))
        assert one.calls == [READ, PATCH]
        assert OTHERS in await conditions(world)

    async def test_list_that_they_drop_leaves_it_untold(self, world: World):
        await opened(world, "a", "b")
        await world.call("PATCH", RRS, await self._name(world), "status", status={"deduplication": {"firing": None}})
        one = world.instance()
        await one.post(ended("a"))
        assert one.calls == [LOOK_CONSISTENTLY]
        await one.post(fires("c"))
        assert (await firing(world), await condition(world)) == (None, None)

    async def _name(self, world: World) -> str:
        return str((await world.only_rr())["metadata"]["name"])


async def test_more_alerts_than_are_kept_leave_it_untold(world: World):
    one = world.instance()
    await one.post(*(fires(str(number)) for number in range(201)))
    assert await firing(world) is None
    await one.post(*(ended(str(number)) for number in range(201)))
    assert await condition(world) is None


async def test_highest_severity_stays(world: World):
    one = world.instance()
    for severity in ("warning", "critical", "info", "nobody knows"):
        await one.post(fires("a", severity=severity))
    stored = await world.only_rr()
    assert (stored["spec"]["severity"], stored["status"]["deduplication"]["highestSeverity"]) == ("warning", "critical")


async def test_cooldown_after_the_end_is_no_reason_to_tell(world: World):
    await opened(world, "a")
    await world.set_phase("Completed")
    world.pass_time(5)
    one = world.instance(cooldown=60)
    await one.post(ended("a"))
    assert one.calls == [LOOK_CONSISTENTLY]

"""A silence on the object, an owner or the namespace holds signals back until its time; nothing else does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.workloads.ownership import SILENCED_UNTIL
from core.workloads.scope import REFUSAL_SECONDS, SCOPE_SECONDS
from tests.unit.workloads.objects import Objects, path_of

LATER = "2026-01-02T01:00:00Z"  # the clock shows midnight
HELD = "Deployment shop/d until 2026-01-02T01:00:00Z"


def until(moment: str) -> dict[str, str]:
    return {SILENCED_UNTIL: moment}


async def test_nothing_silenced_holds_nothing_and_costs_no_call_more(shop: Objects):
    assert await shop.silenced("Pod", "p") == ""
    assert shop.calls == [path_of("Pod", "p"), path_of("Deployment", "d")]


@pytest.mark.parametrize(("kind", "name"), [("Pod", "p"), ("Deployment", "d")])
async def test_silence_of_the_object_or_an_owner_holds(shop: Objects, kind: str, name: str):
    shop.add(kind, name, annotations=until(LATER), owner=("Deployment", "d") if kind == "Pod" else None)
    assert await shop.silenced("Pod", "p") == f"{kind} shop/{name} until {LATER}"


async def test_longest_of_several_silences_is_told(shop: Objects):
    shop.add("Pod", "p", owner=("Deployment", "d"), annotations=until("2026-01-02T00:30:00Z"))
    shop.add("Deployment", "d", annotations=until(LATER))
    assert await shop.silenced("Pod", "p") == HELD


@pytest.mark.parametrize(
    ("moment", "held"),
    [
        ("2026-01-02T00:00:00Z", False),  # now
        ("2026-01-01T23:59:59Z", False),
        ("2026-01-02T00:00:01Z", True),
        ("2026-01-02T02:30:00+02:00", True),
        ("2026-01-02T01:30:00+02:00", False),
        (" 2026-01-02T01:00:00.5Z ", True),
        ("9999-12-31T23:59:59Z", True),
    ],
)
async def test_time_holds_until_it_has_passed(shop: Objects, moment: str, held: bool):
    shop.add("Deployment", "d", annotations=until(moment))
    assert bool(await shop.silenced("Pod", "p")) is held
    assert shop.warnings == []


@pytest.mark.parametrize(
    "text",
    ["yes", "2026-01-02T01:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "for ever " * 10_000, "\n"],
)
async def test_what_is_no_time_holds_nothing_and_is_told_once_for_each_object(shop: Objects, text: str):
    shop.add("Deployment", "d", annotations=until(text))
    for _ in range(3):
        assert await shop.silenced("Pod", "p") == ""
    (warning,) = shop.warnings
    assert warning.startswith("Deployment shop/d is silenced until ")
    assert f"{SILENCED_UNTIL}=2026-01-02T03:04:05Z" in warning
    assert len(warning) < 500
    assert warning.isprintable()


async def test_empty_annotation_is_none(shop: Objects):
    shop.add("Deployment", "d", annotations=until(""))
    assert await shop.silenced("Pod", "p") == ""
    assert shop.warnings == []


async def test_silence_that_was_lifted_is_seen_before_anything_is_held_back(shop: Objects):
    shop.add("Deployment", "d", annotations=until(LATER))
    assert await shop.silenced("Pod", "p") == HELD
    shop.add("Deployment", "d")
    shop.clock.advance(timedelta(seconds=REFUSAL_SECONDS + 0.1))
    assert await shop.silenced("Pod", "p") == ""


async def test_flood_on_a_silenced_object_costs_one_read_a_second(shop: Objects):
    shop.add("Deployment", "d", annotations=until(LATER))
    await shop.silenced("Pod", "p")
    shop.calls.clear()
    for _ in range(100):
        shop.clock.advance(timedelta(seconds=0.1))
        await shop.silenced("Pod", "p")
    assert set(shop.calls) == {path_of("Deployment", "d")}
    assert len(shop.calls) <= 11


async def test_new_silence_is_seen_when_the_metadata_are_read_anew(shop: Objects):
    assert await shop.silenced("Pod", "p") == ""
    shop.add("Deployment", "d", annotations=until(LATER))
    assert await shop.silenced("Pod", "p") == "", "as it is remembered"
    shop.clock.advance(timedelta(seconds=601))
    assert await shop.silenced("Pod", "p") == HELD


async def test_new_silence_is_seen_at_once_where_nothing_is_remembered(shop: Objects):
    assert await shop.silenced("Pod", "p", remember=0.0) == ""
    shop.clock.advance(timedelta(seconds=0.1))
    shop.add("Deployment", "d", annotations=until(LATER))
    assert await shop.silenced("Pod", "p", remember=0.0) == HELD


async def test_namespace_counts_only_where_it_is_read(shop: Objects):
    shop.add("Namespace", "shop", annotations=until(LATER))
    assert await shop.silenced("Pod", "p") == ""
    assert path_of("Namespace", "shop") not in shop.calls


async def test_namespace_with_a_scope_label_silences_all_in_it(shop: Objects):
    shop.add("Namespace", "shop", annotations=until(LATER))
    assert await shop.silenced("Pod", "p", whole=True) == f"Namespace shop until {LATER}"
    shop.add("Namespace", "shop")
    shop.clock.advance(timedelta(seconds=REFUSAL_SECONDS + 0.1))
    assert await shop.silenced("Pod", "p", whole=True) == ""
    shop.add("Namespace", "shop", annotations=until(LATER))
    shop.clock.advance(timedelta(seconds=SCOPE_SECONDS + 0.1))
    assert await shop.silenced("Pod", "p", whole=True) == f"Namespace shop until {LATER}"


async def test_namespace_is_read_once_a_minute_for_it(shop: Objects):
    await shop.silenced("Pod", "p", whole=True)
    shop.calls.clear()
    for _ in range(120):
        shop.clock.advance(timedelta(seconds=1))
        await shop.silenced("Pod", "p", whole=True)
    assert set(shop.calls) == {path_of("Namespace", "shop")}
    assert len(shop.calls) <= 2


async def test_node_has_no_namespace_and_is_read_for_its_scope(objects: Objects):
    objects.add("Node", "n1", annotations=until(LATER))
    assert await objects.silenced("Node", "n1", whole=True) == f"Node n1 until {LATER}"
    objects.silence = None
    assert await objects.silenced("Node", "n1") == "", "nothing of it is read"


async def test_object_that_is_gone_is_silenced_by_its_workload(shop: Objects):
    shop.add("StatefulSet", "db", annotations=until(LATER))
    assert await shop.silenced("Pod", "db-0") == f"StatefulSet shop/db until {LATER}"


async def test_warnings_are_bounded(objects: Objects):
    for number in range(1500):
        objects.add("Deployment", f"d{number}", annotations=until("x"))
        await objects.silenced("Deployment", f"d{number}")
    assert objects.silence is not None
    assert len(objects.silence._warned) == 1000

"""What becomes of an alert does not depend on the alerts that Alertmanager sends it with."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from core.answers import answer
from core.common.resilience import Deadline
from core.signals.alertmanager import decode_alertmanager
from tests.cases.cluster import cluster_of
from tests.cases.test_cases import DATA
from tests.support.instances import START

if TYPE_CHECKING:
    from core.results import SignalResult
    from tests.support.instances import World

CASES = DATA["kube-prometheus"]["cases"]


def shuffled(seed: int) -> list[list[Any]]:
    """All cases in groups of random sizes and order."""
    rng = random.Random(seed)
    left = rng.sample(CASES, len(CASES))
    groups = []
    while left:
        size = rng.randint(1, 40)
        groups.append(left[:size])
        left = left[size:]
    return groups


def by_label(name: str) -> list[list[Any]]:
    """All cases as `group_by: [name]` groups them."""
    groups: dict[str, list[Any]] = {}
    for case in CASES:
        groups.setdefault(case["labels"].get(name, ""), []).append(case)
    return list(groups.values())


@pytest.mark.parametrize(
    "groups",
    [[CASES], by_label("severity"), by_label("namespace"), by_label("job"), shuffled(1), shuffled(2)],
    ids=["all in one", "by severity", "by namespace", "by job", "by chance", "by chance again"],
)
async def test_each_alert_leads_to_the_same_in_any_group_and_no_group_fails(groups: list[list[Any]]) -> None:
    world = await cluster_of(DATA["kube-prometheus"]["cluster"])
    alone = {id(case): _became((await _sent(world, [case]))[0]) for case in CASES}
    together = await cluster_of(DATA["kube-prometheus"]["cluster"])
    for group in groups:
        results = await _sent(together, group)
        assert answer(results).status in (200, 201, 202)
        assert [_became(result) for result in results] == [alone[id(case)] for case in group]
    for each in (world, together):
        await each.close()


def _became(result: SignalResult) -> tuple[str, str]:
    """The problem it is counted on, or why it is none."""
    return (result.fingerprint, "") if result.stored else ("", result.reason)


async def _sent(world: World, cases: list[Any]) -> list[SignalResult]:
    alerts = [{"status": "firing", "labels": case["labels"], "annotations": case["annotations"]} for case in cases]
    body = json.dumps({"version": "4", "status": "firing", "alerts": alerts}).encode()
    instance = world.instance(owners="resolve")
    batch = decode_alertmanager(body, received_time=START, signal_type="prometheus-alert")
    deadline = Deadline(clock=world.clock, seconds=600)
    return await instance.gateway.pipeline.process(batch, digest=b"", deadline=deadline)

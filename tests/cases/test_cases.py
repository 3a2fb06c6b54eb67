"""Each case of the files beside this: one firing alert, the one RR that it must create, or none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.answers import answer
from core.common.resilience import Deadline
from core.signals.alertmanager import decode_alertmanager
from tests.cases.cluster import cluster_of
from tests.support.instances import RRS, START

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.instances import World

FILES = ("signals", "kube-prometheus")
DATA = {name: json.loads((Path(__file__).parent / f"{name}.json").read_text()) for name in FILES}


def cases() -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}-{case['name']}-{index}")
        for name in FILES
        for index, case in enumerate(DATA[name]["cases"])
    ]


@pytest.fixture
async def world(file: str) -> AsyncIterator[World]:
    world = await cluster_of(DATA[file]["cluster"])
    yield world
    await world.close()


@pytest.mark.parametrize(("file", "case"), cases())
async def test_alert_leads_to_the_right_object(world: World, file: str, case: Any) -> None:
    assert await outcome(world, case) == wanted(case), f"{file}: {case['name']}"


def wanted(case: Any) -> tuple[int, list[str]]:
    """The answer's code, and the fingerprints of all RRs."""
    problem = case["problem"]
    return (200, []) if problem is None else (201, [hashlib.sha256(problem.encode()).hexdigest()])


async def outcome(world: World, case: Any) -> tuple[int, list[str]]:
    alert = {"status": "firing", "labels": case["labels"], "annotations": case["annotations"]}
    body = json.dumps({"version": "4", "status": "firing", "alerts": [alert]}).encode()
    instance = world.instance(owners="resolve", **case["settings"])
    batch = decode_alertmanager(body, received_time=START, signal_type="prometheus-alert")
    deadline = Deadline(clock=world.clock, seconds=8.0)
    results = await instance.gateway.pipeline.process(batch, digest=b"", deadline=deadline)
    stored = await world.call("GET", RRS)
    return answer(results).status, sorted(each["spec"]["signalFingerprint"] for each in stored["items"])

"""Webhooks as Grafana's own notifier sent them: each body is answered by its alerts, as Alertmanager's are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from core.answers import answer
from core.common.resilience import Deadline
from core.signals.alertmanager import decode_alertmanager
from tests.cases.cluster import cluster_of
from tests.cases.test_cases import DATA
from tests.support.instances import RRS, START

CASES = json.loads((Path(__file__).parent / "grafana.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_body_leads_to_the_right_objects_and_code(case: Any) -> None:
    world = await cluster_of(DATA["signals"]["cluster"])
    instance = world.instance(owners="resolve")
    batch = decode_alertmanager(json.dumps(case["body"]).encode(), received_time=START, signal_type="alert")
    deadline = Deadline(clock=world.clock, seconds=60.0)
    results = await instance.gateway.pipeline.process(batch, digest=b"", deadline=deadline)
    stored = await world.call("GET", RRS)
    await world.close()
    problems = [hashlib.sha256(problem.encode()).hexdigest() for problem in case["problems"]]
    assert answer(results).status == case["code"]
    assert sorted(each["spec"]["signalFingerprint"] for each in stored["items"]) == sorted(problems)
    assert batch.warnings == []
    assert batch.truncated == case["body"]["truncatedAlerts"]

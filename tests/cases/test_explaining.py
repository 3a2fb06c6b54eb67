"""`sluice explain` gives the answer that the function gives, for each case and under both profiles."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from core.common.resilience import CircuitBreaker, Deadline
from core.kube.client import KubeClient
from core.local import explaining
from core.results import Status
from core.settings import Settings
from core.signals.alertmanager import decode_alertmanager
from tests.cases.cluster import cluster_of
from tests.cases.test_cases import DATA, FILES
from tests.support.instances import NAMESPACE
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.instances import World

PROFILES = ("sluice", "kubernaut")
POD = {"namespace": "shop", "pod": "checkout-7d9c6bdf5-x2x7k"}
BROKEN: dict[str, Any] = {
    "no name": {"labels": POD},
    "begins tomorrow": {"labels": POD | {"alertname": "A"}, "startsAt": "2099-01-02T03:04:05Z"},
    "a label that is no text": {"labels": POD | {"alertname": 1}},
    "no labels": {},
    "resolved": {"labels": POD | {"alertname": "A"}, "status": "resolved"},
    "no object": {"labels": {"alertname": "A"}},
    "an exporter's object": {"labels": {"alertname": "A", "namespace": "shop", "exported_namespace": "x", "pod": "p"}},
}
OUTCOMES = {
    "be ignored": Status.IGNORED,
    "be refused": Status.INVALID,
    "be rejected": Status.REJECTED,
    "be failed": Status.FAILED,
    "create": Status.CREATED,
    "count on": Status.DEDUPLICATED,
}

Outcome = tuple[Status, str, str]
"""Status, reason, and the fingerprint where it is stored."""


def cases() -> list[Any]:
    named = [
        pytest.param(
            name, {"labels": case["labels"], "annotations": case["annotations"]}, case["settings"], id=f"{name}-{index}"
        )
        for name in FILES
        for index, case in enumerate(DATA[name]["cases"])
    ]
    broken = [
        pytest.param("kube-prometheus", alert, {"untargeted": untargeted}, id=f"{name}, {untargeted}")
        for name, alert in BROKEN.items()
        for untargeted in ("ignore", "reject", "namespace")
    ]
    return named + broken


@pytest.fixture
async def world(file: str) -> AsyncIterator[World]:
    world = await cluster_of(DATA[file]["cluster"])
    yield world
    await world.close()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("file", "alert", "settings"), cases())
async def test_answer_is_the_functions(
    world: World, tmp_path: Path, alert: Any, settings: dict[str, Any], profile: str
) -> None:
    given = {"profile": profile, "group": "remediation.kubernaut.ai", "owners": "resolve", **settings}
    body = json.dumps({"version": "4", "status": "firing", "alerts": [{"status": "firing", **alert}]})
    webhook = tmp_path / "webhook.json"
    webhook.write_text(body)
    told = await explained(world, webhook, given)
    assert told == await answered(world, body.encode(), given)


async def test_nameless_alert_is_refused_under_kubernauts_profile_alone(tmp_path: Path) -> None:
    world = await cluster_of(DATA["kube-prometheus"]["cluster"])
    webhook = tmp_path / "webhook.json"
    webhook.write_text(json.dumps({"version": "4", "alerts": [{"status": "firing", **BROKEN["no name"]}]}))
    statuses = [(await explained(world, webhook, {"profile": profile}))[:2] for profile in PROFILES]
    assert statuses == [(Status.CREATED, ""), (Status.INVALID, "malformed_alert")]
    await world.close()


async def explained(world: World, webhook: Path, given: dict[str, Any]) -> Outcome:
    settings = Settings(**{"namespace": NAMESPACE, "group": "remediation.kubernaut.ai"} | given)
    breaker = CircuitBreaker(clock=world.clock)
    client = KubeClient(transport=Wire(world.app), breaker=breaker, call_timeout=60.0)
    (entry,) = explaining._entries([str(webhook)], settings, world.clock)
    parts = (await explaining._explainer(settings, client, world.clock).explain(entry)).parts
    (status,) = (status for start, status in OUTCOMES.items() if parts["would"].startswith(start))
    reason = re.match(r"be \w+ \((\w+)\)", parts["would"])
    return status, reason[1] if reason else "", parts.get("fingerprint", "")


async def answered(world: World, body: bytes, given: dict[str, Any]) -> Outcome:
    instance = world.instance(**given)
    settings = instance.gateway.settings
    batch = decode_alertmanager(
        body,
        received_time=world.clock.now(),
        signal_type=settings.signal_type,
        untargeted=settings.untargeted,
    )
    deadline = Deadline(clock=world.clock, seconds=60)
    (result,) = await instance.gateway.pipeline.process(batch, digest=b"", deadline=deadline)
    return result.status, result.reason, result.fingerprint if result.stored else ""

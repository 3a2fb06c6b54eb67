"""The burst is the same for the same seed, and holds what a real one holds."""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from core.local.demo.burst import BurstPlan, Wave, choose_workloads, make_burst, workloads_of
from core.signals.alertmanager import decode_alertmanager
from core.signals.signal import Ignored, NormalizedSignal, Poison

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def burst(**plan: Any) -> list[Wave]:
    return make_burst(BurstPlan(**plan), now=NOW)


def alerts_of(waves: list[Wave]) -> list[Any]:
    return [alert for wave in waves for webhook in wave for alert in webhook["alerts"]]


def entries_of(waves: list[Wave]) -> list[Any]:
    """What the adapter makes of every alert."""
    batches = [
        decode_alertmanager(json.dumps(webhook).encode(), received_time=NOW, signal_type="prometheus-alert")
        for wave in waves
        for webhook in wave
    ]
    assert not any(batch.warnings for batch in batches)
    return [entry for batch in batches for entry in batch.entries]


def test_same_seed_makes_the_same_burst() -> None:
    assert burst(seed=7) == burst(seed=7)


def test_another_seed_makes_another_burst() -> None:
    assert burst(seed=7) != burst(seed=8)


@pytest.mark.parametrize("alerts", [1, 2, 40, 41, 42, 300, 1000])
def test_burst_holds_exactly_the_alerts_asked_for(alerts: int) -> None:
    waves = burst(alerts=alerts)
    assert len(alerts_of(waves)) == alerts
    assert all(webhook["alerts"] for wave in waves for webhook in wave)


def test_every_workload_is_a_problem_of_its_own() -> None:
    signals = [entry for entry in entries_of(burst()) if isinstance(entry, NormalizedSignal)]
    assert len({signal.fingerprint for signal in signals}) == BurstPlan.workloads


def test_first_wave_names_each_workload_once_so_that_its_order_does_not_matter() -> None:
    signals = [entry for entry in entries_of(burst()[:1]) if isinstance(entry, NormalizedSignal)]
    assert Counter(Counter(signal.fingerprint for signal in signals).values()) == {1: BurstPlan.workloads}


def test_all_three_pods_of_a_deployment_alert_where_they_exist() -> None:
    plan = BurstPlan(replicas=True)
    pods = [each for each in workloads_of(plan) if each.kind == "pod"]
    named = {alert["labels"].get("pod") for alert in alerts_of(make_burst(plan, now=NOW)[:2])}
    assert pods
    assert {name for each in pods for name in each.pods} == {name for name in named if isinstance(name, str)}
    assert all(len(set(each.pods)) == 3 for each in pods)
    assert {f"{each.deployment}-" for each in pods} == {re.sub(r"[^-]+-[^-]+$", "", each.name) for each in pods}


def test_some_workloads_have_alerts_of_several_names() -> None:
    names: dict[str, set[str]] = {}
    for entry in entries_of(burst()):
        if isinstance(entry, NormalizedSignal):
            names.setdefault(entry.fingerprint, set()).add(entry.signal_name)
    assert 5 < sum(len(each) > 1 for each in names.values()) < BurstPlan.workloads


def test_some_alerts_repeat_and_some_are_resolved() -> None:
    entries = entries_of(burst())
    assert 10 < sum(isinstance(entry, Ignored) for entry in entries) < 60
    assert max(Counter(alert["fingerprint"] for alert in alerts_of(burst())).values()) > 3


def test_one_alert_is_poison_and_has_good_neighbours() -> None:
    assert sum(isinstance(entry, Poison) for entry in entries_of(burst())) == 1
    group = next(
        webhook
        for wave in burst()
        for webhook in wave
        if any(isinstance(each, Poison) for each in entries_of([[webhook]]))
    )
    assert len(group["alerts"]) > 1


def test_webhook_holds_one_group_and_a_wave_notifies_each_group_once() -> None:
    for wave in burst():
        keys = [webhook["groupKey"] for webhook in wave]
        assert len(keys) == len(set(keys))
        for webhook in wave:
            for alert in webhook["alerts"]:
                assert webhook["groupLabels"].items() <= webhook["commonLabels"].items() <= alert["labels"].items()


def test_webhook_is_resolved_only_when_all_its_alerts_are() -> None:
    webhooks = [webhook for wave in burst(alerts=1000) for webhook in wave]
    assert {webhook["status"] for webhook in webhooks} == {"firing", "resolved"}
    for webhook in webhooks:
        statuses = {alert["status"] for alert in webhook["alerts"]}
        assert (webhook["status"] == "resolved") == (statuses == {"resolved"})


def test_more_workloads_than_names_are_still_all_different() -> None:
    assert len(set(choose_workloads(500, random=Random(1)))) == 500

"""explain on the embedded API: what would become of alerts, and that nothing is written."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.kube.client import KubeClient
from core.kube.resources import KINDS, LEASES, remediation_requests
from core.local import commands
from core.local.cluster import embedded_cluster, open_client
from core.settings import Settings
from core.signals.signal import TargetResource, fingerprint_of
from core.workloads.ownership import SILENCED_UNTIL
from tests.contract.objects import remediation_request

SETTINGS = Settings(namespace="ns")
KIND = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")
SET = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "controller": True}


class World:
    """An embedded cluster with Pod shop/db-0 of StatefulSet db."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._deadline = Deadline(clock=RealClock(), seconds=60)

    async def make(self, kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> Any:
        resource = KINDS[kind]
        obj = {
            "apiVersion": resource.api_version,
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        namespace = "shop" if KINDS[kind].namespaced else ""
        return (await self._client.create(resource, obj, namespace=namespace, deadline=self._deadline)).obj

    async def store(self, fingerprint: str) -> None:
        await self._client.create(
            KIND, remediation_request("rr-1", signalFingerprint=fingerprint), namespace="ns", deadline=self._deadline
        )

    async def written(self) -> list[list[Any]]:
        lists = [
            await self._client.list(kind, namespace="ns", query={}, deadline=self._deadline) for kind in (KIND, LEASES)
        ]
        return [[item["metadata"]["resourceVersion"] for item in each.items] for each in lists]

    async def sluice(self, *arguments: str, stdin: str = "") -> Result:
        result = await asyncio.to_thread(CliRunner().invoke, commands.app, list(arguments), input=stdin)
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SLUICE_NAMESPACE", "ns")
    monkeypatch.delenv("SLUICE_RULES", raising=False)
    async with embedded_cluster(SETTINGS) as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        async with open_client(SETTINGS, clock=RealClock()) as client:
            world = World(client)
            template: dict[str, Any] = {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            }
            spec = {"serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template}
            await world.make("Namespace", "shop", {})
            made = await world.make("StatefulSet", "db", spec)
            owner = SET | {"uid": made["metadata"]["uid"]}
            await world.make("Pod", "db-0", template["spec"], labels={"app": "db"}, ownerReferences=[owner])
            yield world


ALERT = ("alertname=PodCrashLooping", "namespace=shop", "pod=db-0")
PROBLEM = fingerprint_of(TargetResource(kind="StatefulSet", name="db", namespace="shop"))


async def explained(world: World, *arguments: str, stdin: str = "") -> Any:
    shown = await world.sluice("explain", *arguments, "-o", "json", stdin=stdin)
    assert shown.exit_code == 0, shown.output
    return json.loads(shown.stdout)


async def test_labels_are_followed_to_the_workload_and_nothing_is_written(world: World):
    before = await world.written()
    assert await explained(world, *ALERT) == [
        {
            "alert": "PodCrashLooping",
            "target": "Pod shop/db-0",
            "found by": "pod (pod)",
            "workload": "StatefulSet/db",
            "fingerprint": PROBLEM,
            "would": "create an RR",
        }
    ]
    assert await world.written() == before


async def test_silence_is_told_with_the_command_that_ends_it(world: World):
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await world.make("Pod", "quiet", spec, annotations={SILENCED_UNTIL: "2999-01-01T00:00:00Z"})
    (one,) = await explained(world, "alertname=A", "namespace=shop", "pod=quiet")
    assert one["would"] == (
        "be rejected (silenced): silenced until 2999-01-01T00:00:00Z by an annotation of Pod shop/quiet; "
        "kubectl annotate -n shop pod quiet sluice.kubernaut.ai/silenced-until- ends it"
    )


async def test_repeat_would_count_on_the_rr_that_is_there(world: World):
    await world.store(PROBLEM)
    (one,) = await explained(world, *ALERT)
    assert one["would"] == "count on rr-1, which counts 1 and is new"


async def test_fingerprint_shows_what_its_next_signal_would_lead_to(world: World):
    await world.store(PROBLEM)
    (one,) = await explained(world, PROBLEM)
    assert one == {"alert": PROBLEM, "would": "count on rr-1, which counts 1 and is new"}


async def test_whole_webhook_from_standard_input_has_an_explanation_for_each_alert(world: World):
    alerts = [
        {"labels": {"alertname": "Watchdog"}},
        {"labels": {"alertname": "Quiet"}},
        {"status": "resolved", "labels": {"alertname": "Over", "pod": "db-0", "namespace": "ns"}},
        {"labels": {"alertname": 1}},
    ]
    shown = await explained(world, "-", stdin=json.dumps({"version": "4", "alerts": alerts}))
    would = [each["would"] for each in shown]
    assert would[0].startswith("be ignored (rule): rule always-firing: ")
    assert would[1].startswith("be ignored (no_target): no label names a target")
    assert would[2] == "be ignored (resolved)"
    assert would[3].startswith("be refused (malformed_alert): ")


async def test_rules_that_match_are_named(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{name: loud, match: 'alertname=~\".*\"', severity: critical}]")
    monkeypatch.setenv("SLUICE_RULES", str(rules))
    (one,) = await explained(world, *ALERT)
    assert one["rules"] == "loud"


async def test_offline_takes_the_target_as_it_is_named(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    (one,) = await explained(world, *ALERT, "--offline")
    assert one["target"] == "Pod shop/db-0"
    assert one["would"] == "be stored; no cluster was asked on what"


async def test_table_has_a_line_for_each_fact(world: World):
    shown = await world.sluice("explain", *ALERT)
    assert shown.exit_code == 0
    assert [line.split(":")[0].strip() for line in shown.stdout.splitlines()] == [
        "PodCrashLooping",
        "target",
        "found by",
        "workload",
        "fingerprint",
        "would",
    ]


async def test_what_is_no_alert_is_told(world: World, tmp_path: Path):
    (tmp_path / "x.json").write_text("[1]")
    shown = await world.sluice("explain", str(tmp_path / "x.json"))
    assert shown.exit_code == 2
    assert "x.json: message.data is 1" in shown.stderr.replace("\n", " ")


class TestRulesCheck:
    def test_rules_are_listed_in_order(self, tmp_path: Path):
        file = tmp_path / "rules.yaml"
        file.write_text("rules: [{name: mine, match: 'a=b', severity: low, stop: true}]")
        shown = CliRunner().invoke(commands.app, ["rules", "check", str(file)])
        assert shown.exit_code == 0
        lines = shown.stdout.splitlines()
        assert lines[0].split() == ["NAME", "MATCH", "ACTION"]
        assert any(line.startswith("mine") and "severity: low; stop: here" in line for line in lines)

    def test_file_that_cannot_work_is_exit_code_1(self, tmp_path: Path):
        file = tmp_path / "rules.yaml"
        file.write_text("rules: [{name: mine, match: 'a', ignore: x}]")
        shown = CliRunner().invoke(commands.app, ["rules", "check", str(file)])
        assert shown.exit_code == 1
        assert "rule 1 (mine): match: " in shown.stderr.replace("\n", " ")

"""prune on the embedded API: what it deletes, what it shows, and what it refuses."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.errors import SluiceError
from core.kube.client import KubeClient
from core.kube.resources import remediation_requests
from core.local import commands
from core.local.cluster import Cluster, context_namespace, embedded_cluster, open_client, write_kubeconfig
from core.local.pruning import age_in_seconds
from core.local.running import Running, announced, state_folder
from core.local.shell import CommandError
from core.settings import Settings
from tests.contract.objects import remediation_request

SETTINGS = Settings(namespace="ns")
KIND = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")


class World:
    """An embedded cluster with one RR that is over, one that ended and holds on, and one at work."""

    def __init__(self, client: KubeClient, cluster: Cluster) -> None:
        self._client = client
        self.cluster = cluster
        self._deadline = Deadline(clock=RealClock(), seconds=600)

    async def create(self, name: str, **status: Any) -> None:
        await self._client.create(KIND, remediation_request(name), namespace="ns", deadline=self._deadline)
        if status:
            body = {"status": status}
            await self._client.patch_status(KIND, body, namespace="ns", name=name, deadline=self._deadline)

    async def names(self) -> list[str]:
        listing = await self._client.list(KIND, namespace="ns", query={}, deadline=self._deadline)
        return [item["metadata"]["name"] for item in listing.items]

    async def sluice(self, *arguments: str) -> Result:
        result = await asyncio.to_thread(CliRunner().invoke, commands.app, ["prune", *arguments])
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SLUICE_NAMESPACE", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    async with embedded_cluster(SETTINGS) as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        async with open_client(SETTINGS, clock=RealClock()) as client:
            world = World(client, cluster)
            await world.create("rr-at-work")
            await world.create("rr-held", overallPhase="Failed", outcome="ManualReviewRequired")
            await world.create("rr-over", overallPhase="Completed")
            yield world


async def test_what_is_over_goes_and_what_holds_its_problem_stays(world: World):
    shown = await world.sluice("--older-than", "0s", "--yes")
    assert (shown.exit_code, shown.stdout.split()) == (
        0,
        ["KIND", "NAME", f"remediationrequest.{SETTINGS.group}", "rr-over"],
    )
    assert shown.stderr.startswith("Deleted 1 remediation request and 0 Leases in context sluice-embedded of ")
    assert shown.stderr.endswith(f"{world.cluster.server}, namespace ns.\n")
    assert await world.names() == ["rr-at-work", "rr-held"]


async def test_what_is_younger_than_a_day_stays_by_default(world: World):
    shown = await world.sluice("--yes")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert len(await world.names()) == 3


async def test_without_yes_another_cluster_loses_nothing(world: World):
    shown = await world.sluice("--older-than", "0s")
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert "nothing was deleted; --yes deletes 1 remediation request and 0 Leases" in shown.stderr
    assert len(await world.names()) == 3


async def test_embedded_cluster_of_a_running_function_needs_no_yes(world: World):
    running = Running(
        pid=1,
        url="http://127.0.0.1:8080",
        kubeconfig=world.cluster.kubeconfig,
        context="sluice-embedded",
        server=world.cluster.server,
        embedded=True,
        namespace="ns",
        group=SETTINGS.group,
        version=SETTINGS.version,
    )
    with announced(running, folder=state_folder()):
        shown = await world.sluice("--older-than", "0s", "-o", "name")
    assert (shown.exit_code, shown.stdout) == (0, "remediationrequest.remediation.kubernaut.ai/rr-over\n")


async def test_dry_run_shows_the_same_and_deletes_nothing(world: World):
    shown = await world.sluice("--older-than", "0s", "--dry-run", "-o", "json")
    assert (shown.exit_code, json.loads(shown.stdout)) == (
        0,
        {"dryRun": True, "remediationRequests": ["rr-over"], "leases": [], "changedMeanwhile": 0},
    )
    shown = await world.sluice("--older-than", "0s", "--dry-run", "-o", "yaml")
    assert yaml.safe_load(shown.stdout)["remediationRequests"] == ["rr-over"]
    assert len(await world.names()) == 3


async def test_other_namespace_is_looked_at_where_it_is_named(world: World, monkeypatch: pytest.MonkeyPatch):
    assert (await world.sluice("-n", "default", "--older-than", "0s", "--yes")).stdout == ""
    monkeypatch.setenv("SLUICE_NAMESPACE", "default")
    assert (await world.sluice("--older-than", "0s", "--yes")).stdout == ""
    assert len(await world.names()) == 3


async def test_unreachable_cluster_is_one_sentence(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    file = write_kubeconfig(tmp_path / "unreachable", server="http://127.0.0.1:1", namespace="ns")
    monkeypatch.setenv("KUBECONFIG", str(file))
    shown = await world.sluice("--yes")
    assert (shown.exit_code, shown.stdout, len(shown.stderr.splitlines())) == (1, "", 1)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90m", 5400), ("24h", 86_400), ("7d", 604_800), ("1d12h", 129_600)]
)
def test_age_is_read(text: str, seconds: float):
    assert age_in_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1 h", "1w", "1h ", "٣h"])
def test_what_is_no_age_is_refused_with_the_way_to_write_it(text: str):
    with pytest.raises(CommandError, match="write 90m, 24h, 7d or 1d12h") as refused:
        age_in_seconds(text)
    assert refused.value.exit_code == 2
    assert isinstance(refused.value, SluiceError)


def test_namespace_of_no_kubeconfig_is_none(tmp_path: Path):
    broken = tmp_path / "kubeconfig"
    broken.write_text("{contexts: 3}")
    assert context_namespace(str(broken)) == context_namespace("") == ""

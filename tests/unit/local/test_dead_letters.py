"""dead-letters on the embedded API: what is listed, shown and sent again, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.kube.resources import Resource
from core.local import commands, dead_letters
from core.local.cluster import embedded_cluster, open_client
from core.local.dead_letters import proxy_path
from core.local.web import HttpAnswer
from core.settings import Settings
from core.triggers.dead_letter import DEAD_LETTERS, read_dead_letter, to_object
from tests.manifests.building import ROOT
from tests.support.cloud_events import binary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from core.kube.client import KubeClient

SETTINGS = Settings(namespace="ns")
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")
BROKERS = Resource("eventing.knative.dev", "v1", "brokers", "Broker", custom=True)
URL = "http://function.test/"


class World:
    """An embedded cluster with dead letters, and what was posted to URL."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._deadline = Deadline(clock=RealClock(), seconds=600)
        self.posted: list[tuple[Any, dict[str, str]]] = []
        self.statuses: list[int] = []

    async def keep(self, number: str, data: object = "x", **more: Any) -> str:
        sent = binary("a.type", data, id=number, source="here", knativeerrorcode="400", knativeerrordata="why")
        event = read_dead_letter({name.lower(): text for name, text in sent.headers.items()}, sent.body)
        obj = to_object(event, namespace="ns")
        obj["spec"] |= more
        await self._client.create(DEAD_LETTERS, obj, namespace="ns", deadline=self._deadline)
        return event.name

    async def install_broker(self, status: object) -> None:
        """The Broker `sluice`, as Eventing has it; of its definition only what the API asks for."""
        version = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        }
        spec = {"group": BROKERS.group, "scope": "Namespaced", "versions": [version]}
        names = {"plural": BROKERS.plural, "singular": "broker", "kind": BROKERS.kind, "listKind": "BrokerList"}
        definition = {"metadata": {"name": "brokers.eventing.knative.dev"}, "spec": spec | {"names": names}}
        await self._client.create(CRDS, definition, deadline=self._deadline)
        named = {"apiVersion": BROKERS.api_version, "kind": BROKERS.kind, "metadata": {"name": "sluice"}}
        await self._client.create(BROKERS, named | {"status": status}, namespace="ns", deadline=self._deadline)

    async def names(self) -> set[str]:
        listing = await self._client.list(DEAD_LETTERS, namespace="ns", query={}, deadline=self._deadline)
        return {item["metadata"]["name"] for item in listing.items}

    async def sluice(self, *arguments: str) -> Result:
        result = await asyncio.to_thread(CliRunner().invoke, commands.app, ["dead-letters", *arguments])
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result

    def call(self, url: str, *, body: bytes, timeout: float, headers: dict[str, str]) -> HttpAnswer:
        assert url == URL.rstrip("/")
        self.posted.append((json.loads(body), headers))
        return HttpAnswer(self.statuses.pop(0) if self.statuses else 202, b"")


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SLUICE_NAMESPACE", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    definition = yaml.safe_load((ROOT / "cluster" / "dead-letter-crd.yaml").read_text())
    async with embedded_cluster(SETTINGS) as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        async with open_client(SETTINGS, clock=RealClock()) as client:
            await client.create(CRDS, definition, deadline=Deadline(clock=RealClock(), seconds=600))
            world = World(client)
            monkeypatch.setattr(dead_letters, "call", world.call)
            yield world


async def test_list_tells_what_and_why(world: World) -> None:
    name = await world.keep("1")
    shown = await world.sluice("list")
    header, row = shown.stdout.splitlines()
    assert header.split() == ["NAME", "TYPE", "OBJECT", "CODE", "ANSWER", "BYTES", "AGE"]
    assert row.split()[:6] == [name, "a.type", "1", "400", "why", "3"]


async def test_list_of_what_a_stranger_named_steers_no_terminal(world: World) -> None:
    await world.keep("1", id="\x1b[2J", subject="\x1b]0;owned\x07")
    shown = await world.sluice("list")
    assert "\x1b" not in shown.stdout
    assert "\\x1b]0;" in shown.stdout


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
async def test_list_and_show_in_forms_for_programs(world: World, form: str, read: Callable[[str], Any]) -> None:
    name = await world.keep("1")
    listed = read((await world.sluice("list", "-o", form)).stdout)
    shown = read((await world.sluice("show", name, "-o", form)).stdout)
    assert listed["items"] == [shown]
    assert shown["spec"]["data"] == '"x"'


async def test_nothing_there_is_said(world: World) -> None:
    shown = await world.sluice("list")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "No dead letters in namespace ns" in shown.stderr


async def test_what_is_sent_again_and_taken_is_gone(world: World) -> None:
    name = await world.keep("1", {"a": 1})
    left = await world.keep("2")
    done = await world.sluice("send", name[:-2], "--url", URL, "--yes")
    assert (done.exit_code, done.stdout) == (0, "1 of 1 dead letter taken.\n")
    ((event, headers),) = world.posted
    assert headers == {"Content-Type": "application/cloudevents+json"}
    assert (event["id"], event["source"], event["data"]) == ("1", "here", {"a": 1})
    assert not [each for each in event if each.startswith("knativeerror")]
    assert await world.names() == {left}


async def test_what_is_not_taken_stays_and_the_answer_is_told(world: World) -> None:
    names = {await world.keep("1"), await world.keep("2")}
    world.statuses = [503, 202]
    done = await world.sluice("send", "--all", "--url", URL, "--yes")
    assert done.exit_code == 1
    assert "was answered 503" in done.stderr
    assert done.stdout == "1 of 2 dead letters taken.\n"
    assert len(await world.names() & names) == 1


async def test_keep_leaves_what_was_taken(world: World) -> None:
    name = await world.keep("1")
    assert (await world.sluice("send", "--all", "--url", URL, "--yes", "--keep")).exit_code == 0
    assert await world.names() == {name}


async def test_what_was_cut_is_not_sent(world: World) -> None:
    name = await world.keep("1", cut=True, size=300_000)
    done = await world.sluice("send", "--all", "--url", URL, "--yes")
    assert (done.exit_code, world.posted) == (1, [])
    assert f"{name} is left out: it was too long to be kept whole (300000 bytes)" in done.stderr


async def test_token_goes_with_it(world: World, tmp_path: Path) -> None:
    await world.keep("1")
    (tmp_path / "token").write_text("secret\n")
    await world.sluice("send", "--all", "--url", URL, "--yes", "--token-file", str(tmp_path / "token"))
    assert world.posted[0][1]["Authorization"] == "Bearer secret"


async def test_nothing_is_sent_to_a_broker_without_yes(world: World) -> None:
    await world.keep("1")
    done = await world.sluice("send", "--all")
    assert done.exit_code == 2
    assert "nothing was sent; --yes sends 1 dead letter of namespace ns" in done.stderr


async def test_cluster_without_brokers_is_told_so(world: World) -> None:
    await world.keep("1")
    done = await world.sluice("send", "--all", "--yes")
    assert done.exit_code == 1
    assert "brokers.eventing.knative.dev is not installed here" in done.stderr


async def test_broker_that_asks_for_tokens_is_sent_nothing_and_the_way_is_told(world: World) -> None:
    name = await world.keep("1")
    url = "http://broker-ingress.knative-eventing.svc.cluster.local/ns/sluice"
    await world.install_broker({"address": {"url": url, "audience": "eventing.knative.dev/broker/ns/sluice"}})
    done = await world.sluice("send", "--all", "--yes")
    assert done.exit_code == 1
    assert "kubectl port-forward -n knative-eventing service/broker-ingress 8081:80 &" in done.stderr
    assert "kubectl create token -n ns $account --audience eventing.knative.dev/broker/ns/sluice >token" in done.stderr
    assert "--url http://127.0.0.1:8081/ns/sluice --token-file token" in done.stderr
    assert await world.names() == {name}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name the dead letters to send, or say --all"),
        (("x", "--all"), "name the dead letters to send, or say --all"),
        (("x", "--token-file", "t"), "--token-file is for --url"),
        (("x", "--token-file", "/nowhere/t", "--url", URL), "--token-file /nowhere/t cannot be read"),
    ],
)
async def test_wrong_usage_is_told(world: World, arguments: tuple[str, ...], said: str) -> None:
    done = await world.sluice("send", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


async def test_name_that_is_nobodys_or_several_ones_is_told(world: World) -> None:
    await world.keep("1")
    await world.keep("2")
    assert 'no dead letter is named "x" in namespace ns' in (await world.sluice("show", "x")).stderr
    assert '2 dead letters are named "dead..."' in (await world.sluice("show", "dead")).stderr


@pytest.mark.parametrize(
    ("address", "path"),
    [
        (
            "http://broker-ingress.knative-eventing.svc.cluster.local/sluice-system/sluice",
            "/api/v1/namespaces/knative-eventing/services/http:broker-ingress:80/proxy/sluice-system/sluice",
        ),
        (
            "http://kafka-broker-ingress.knative-eventing.svc:8080/a/b",
            "/api/v1/namespaces/knative-eventing/services/http:kafka-broker-ingress:8080/proxy/a/b",
        ),
        ("https://b.ns.svc.example.org", "/api/v1/namespaces/ns/services/https:b:443/proxy/"),
        ("http://broker.example.org/a", ""),
        ("", ""),
    ],
)
def test_address_of_a_service_is_reached_by_the_api_server(address: str, path: str) -> None:
    assert proxy_path(address) == path

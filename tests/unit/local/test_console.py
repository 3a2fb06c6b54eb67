"""The console's HTTP and its feed, on the embedded API through the user's own `kubernetes` package."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from core.common.clock import MockClock, RealClock
from core.common.resilience import Deadline
from core.kube.client import KubeClient
from core.kube.resources import remediation_requests
from core.local.cluster import embedded_cluster, open_client
from core.local.console import Console
from core.local.console.feed import Feed, Page
from core.local.shell import CommandError
from core.local.viewing.reader import Event, Reader, Where
from core.settings import Settings
from tests.contract.objects import remediation_request

SETTINGS = Settings(namespace="ns")
KIND = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PAYLOAD = b64encode(b'{"alerts": ["<script>"]}').decode()


def rr(name: str, *, count: int = 1, version: str = "1", phase: str = "", **spec: Any) -> dict[str, Any]:
    made = remediation_request(name, **spec)
    made["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": version, "creationTimestamp": "2026-01-02T03:00:00Z"}
    seen = {"firstSeenAt": "2026-01-02T03:00:00Z", "lastSeenAt": "2026-01-02T03:04:00Z"}
    made["status"] = {"overallPhase": phase, "deduplication": {"occurrenceCount": count, **seen}}
    return made


class StubReader:
    """A reader that nobody asks: events are given to the feed by hand."""

    context, server, namespace = "mine", "https://api", "ns"

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self._events = events

    def watch(self) -> Iterator[Event]:
        return iter(self._events)


@pytest.fixture
def feed() -> Feed:
    return Feed(StubReader(), clock=MockClock(NOW))  # type: ignore[arg-type]


def total(feed: Feed) -> tuple[int, int]:
    steps = feed.snapshot()["timeline"]["steps"]
    return sum(alerts for _, alerts, _ in steps), sum(opened for _, _, opened in steps)


class TestFeed:
    def test_says_that_it_has_not_looked_yet(self, feed: Feed):
        assert feed.snapshot()["stale"] == "the first look at the API server has not ended yet"

    def test_what_was_there_before_stands_at_its_first_and_last_alert(self, feed: Feed):
        feed.take(Event("LIST", (rr("a", count=7),)))
        opened = datetime(2026, 1, 2, 3, 0, tzinfo=UTC).timestamp()
        last = datetime(2026, 1, 2, 3, 4, tzinfo=UTC).timestamp()
        assert feed.snapshot()["timeline"]["steps"] == [[opened, 1, 1], [last, 6, 0]]

    def test_each_change_counts_what_it_adds_now(self, feed: Feed):
        feed.take(Event("LIST", ()))
        feed.take(Event("ADDED", (rr("a"),)))
        feed.take(Event("MODIFIED", (rr("a", count=5, version="2"),)))
        feed.take(Event("MODIFIED", (rr("a", count=5, version="3", phase="Completed"),)))
        assert total(feed) == (5, 1)
        assert feed.snapshot()["timeline"]["steps"][0][0] == NOW.timestamp() // 10 * 10

    def test_what_came_while_the_watch_was_lost_is_counted_once(self, feed: Feed):
        feed.take(Event("LIST", (rr("a", count=2),)))
        feed.take(Event("LOST", why="the API server does not answer"))
        assert feed.snapshot()["stale"] == "the API server does not answer"
        feed.take(Event("LIST", (rr("a", count=4, version="9"), rr("b"))))
        assert feed.snapshot()["stale"] == ""
        assert total(feed) == (5, 2)

    def test_list_without_a_watch_stays_out_of_date_until_the_watch_goes_on(self, feed: Feed):
        feed.take(Event("LIST", (rr("a"),), why="it lets nobody watch"))
        assert (feed.snapshot()["stale"], len(feed.snapshot()["rows"])) == ("it lets nobody watch", 1)
        feed.take(Event("ALIVE"))
        assert (feed.snapshot()["stale"], len(feed.snapshot()["rows"])) == ("", 1)

    async def test_page_hears_nothing_of_a_watch_that_only_goes_on(self, feed: Feed):
        feed.take(Event("LIST", ()))
        with feed.page() as page:
            assert await page.changes(within=60) == (True, set())
            feed.take(Event("ALIVE"))
            assert await page.changes(within=0.001) is None

    async def test_page_that_opens_as_the_console_ends_ends_too(self, feed: Feed):
        feed.stop()
        with feed.page() as page:
            await page.changes(within=60)
            assert page.closed

    def test_server_that_lets_nobody_watch_is_asked_ever_less_often(self, monkeypatch: pytest.MonkeyPatch):
        once = (Event("LIST", why="no watch"), Event("LOST", why="no watch"))
        feed = Feed(StubReader((Event("LIST"), once[1], *once, *once, Event("LIST"), once[1])), clock=MockClock(NOW))  # type: ignore[arg-type]
        pauses: list[float] = []
        monkeypatch.setattr(feed._ended, "wait", pauses.append)
        told: list[Event] = []
        feed._follow(told.append)
        assert pauses == [1.0, 2.0, 4.0, 1.0]
        assert len(told) == 8

    def test_a_quarter_of_an_hour_is_kept(self, feed: Feed):
        for number in range(200):
            feed._timeline.count(number * 10.0, alerts=1, opened=0)
        assert len(feed.snapshot()["timeline"]["steps"]) == 90
        feed._timeline.count(5.0, alerts=1, opened=1)
        assert total(feed) == (90, 0)

    def test_payloads_are_not_kept(self, feed: Feed):
        feed.take(Event("LIST", (rr("a", originalPayload="x" * 1000),)))
        assert "xxx" not in json.dumps(feed.snapshot())
        assert "originalPayload" not in feed._rows["uid-a"].obj["spec"]

    async def test_slow_page_gets_the_latest_of_each_and_no_queue(self, feed: Feed):
        feed.take(Event("LIST", ()))
        with feed.page() as page:
            assert await page.changes(within=60) == (True, set())
            for version in range(2, 1000):
                feed.take(Event("MODIFIED", (rr("a", count=version, version=str(version)),)))
            feed.take(Event("DELETED", (rr("b"),)))
            assert await page.changes(within=60) == (False, {"uid-a", "uid-b"})
            change = feed.change({"uid-a", "uid-b"})
        assert [(row["name"], row["count"]) for row in change["rows"]] == [("a", 999)]
        assert change["gone"] == ["uid-b"]

    async def test_page_that_hears_nothing_is_told_so(self):
        page = Page()
        await page.changes(within=60)
        assert await page.changes(within=0.001) is None


class World:
    def __init__(self, client: KubeClient, url: str) -> None:
        self._client = client
        self.url = url

    async def create(self, name: str, **spec: Any) -> None:
        deadline = Deadline(clock=RealClock(), seconds=60)
        await self._client.create(KIND, remediation_request(name, **spec), namespace="ns", deadline=deadline)

    @asynccontextmanager
    async def get(self, path: str, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path, headers=headers) as answer:
            yield answer


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with embedded_cluster(SETTINGS) as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        async with open_client(SETTINGS, clock=RealClock()) as client:
            reader = Reader(settings=SETTINGS, where=Where(kubeconfig=cluster.kubeconfig, namespace="ns"))
            async with Console(reader, clock=RealClock(), port=0) as console:
                yield World(client, console.url)


async def told(answer: aiohttp.ClientResponse) -> tuple[str, dict[str, Any]]:
    """The next event that is no beat."""
    async with asyncio.timeout(60):
        while True:
            kind = (await answer.content.readline()).decode().removeprefix("event: ").strip()
            data = json.loads((await answer.content.readline()).decode().removeprefix("data: "))
            assert await answer.content.readline() == b"\n"
            if kind != "beat":
                return kind, data


async def until(answer: aiohttp.ClientResponse, name: str) -> dict[str, Any]:
    """The row of that name, as soon as the stream tells of it."""
    while True:
        _, data = await told(answer)
        for row in data["rows"]:
            if row["name"] == name:
                return dict(row)


class TestStream:
    async def test_brings_all_there_is_then_what_changes(self, world: World):
        await world.create("rr-one", originalPayload=PAYLOAD)
        async with world.get("events") as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            row = await until(answer, "rr-one")
            assert (row["target"], row["alert"], row["phase"], row["count"]) == (
                "prod/Pod/web",
                "HighMemoryUsage",
                "Pending",
                1,
            )
            assert row["active"] is True
            await world.create("rr-two", signalFingerprint="b" * 64)
            assert (await until(answer, "rr-two"))["fingerprint"] == "b" * 64

    async def test_names_the_place(self, world: World):
        async with world.get("events") as answer:
            kind, data = await told(answer)
        assert kind == "snapshot"
        assert (data["place"]["context"], data["place"]["namespace"]) == ("sluice-embedded", "ns")

    async def test_line_breaks_of_senders_make_no_event_of_their_own(self, world: World):
        await world.create("rr-one", signalName="A\n\nevent: snapshot\ndata: {}\n\n")
        async with world.get("events") as answer:
            assert (await until(answer, "rr-one"))["alert"] == "A\n\nevent: snapshot\ndata: {}\n\n"


class TestOne:
    async def test_is_told_in_full_with_its_payload_decoded(self, world: World):
        await world.create("rr-one", originalPayload=PAYLOAD, signalLabels={"alertname": "A"})
        async with world.get("remediationrequests/ns/rr-one") as answer:
            one = await answer.json()
        assert json.loads(one["payload"]) == {"alerts": ["<script>"]}
        assert one["labels"] == {"alertname": "A"}
        assert one["holds"].startswith("its problem: the phase Pending is not terminal")
        assert "originalPayload" not in one["spec"]

    async def test_that_is_gone_is_404_with_a_sentence(self, world: World):
        async with world.get("remediationrequests/ns/rr-none") as answer:
            assert answer.status == 404
            assert "not found" in (await answer.json())["error"]


class TestGuard:
    @pytest.mark.parametrize(
        "path", ["", "console.js", "console.css", "icon.svg", "events", "nothing", "remediationrequests/ns/x"]
    )
    async def test_every_answer_forbids_what_the_page_does_not_need(self, world: World, path: str):
        async with world.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1.evil.example:8090", ""])
    async def test_foreign_name_for_loopback_is_refused(self, world: World, host: str):
        async with world.get("events", Host=host) as answer:
            assert answer.status == 421

    async def test_nothing_can_be_written(self, world: World):
        async with aiohttp.ClientSession() as session:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                async with session.request(method, f"{world.url}remediationrequests/ns/x") as answer:
                    assert answer.status == 405

    async def test_page_names_no_other_server_and_holds_no_inline_script(self, world: World):
        for path in ("", "console.css", "console.js"):
            async with world.get(path) as answer:
                text = await answer.text()
            assert text.replace("http://www.w3.org/2000/svg", "").count("://") == 0
            assert ".innerHTML" not in text
            assert " style=" not in text
            assert " onclick=" not in text

    async def test_page_may_be_asked_for_by_localhost_too(self, world: World):
        async with aiohttp.ClientSession() as session:
            port = world.url.rstrip("/").rpartition(":")[2]
            async with session.get(world.url, headers={"Host": f"localhost:{port}"}) as answer:
                assert answer.status == 200


async def test_taken_port_is_told(world: World, tmp_path: Path):
    port = int(world.url.rstrip("/").rpartition(":")[2])
    reader = Reader(settings=SETTINGS, where=Where(namespace="ns"))
    with pytest.raises(CommandError, match=f"the console cannot listen on 127.0.0.1:{port}: .*; choose another port"):
        async with Console(reader, clock=RealClock(), port=port):
            pytest.fail("it listened")
    reader.close()

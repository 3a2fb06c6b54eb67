"""get, watch, describe and phase, on the embedded API through the user's own `kubernetes` package."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner, Result

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.common.text import rfc3339
from core.kube.client import KubeClient
from core.kube.resources import remediation_requests
from core.local import commands
from core.local.cluster import embedded_cluster, open_client, write_kubeconfig
from core.local.running import Running, announced, state_folder
from core.local.shell import CommandError
from core.local.viewing.live import Board, Display
from core.local.viewing.reader import Event, Reader, Where
from core.local.viewing.rows import Filter, Output, Row, age
from core.local.viewing.story import holding
from core.settings import Settings
from tests.contract.objects import remediation_request

SETTINGS = Settings(namespace="ns")
NAMED = "remediationrequest.remediation.kubernaut.ai"
KIND = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PAYLOAD = b64encode(b'{"alerts": [{"labels": {"alertname": "A"}}]}').decode()


class World:
    """An embedded cluster, named by KUBECONFIG, with two remediation requests in the namespace of its context."""

    def __init__(self, client: KubeClient, server: str) -> None:
        self._client = client
        self.server = server

    async def create(self, name: str, **spec: Any) -> None:
        deadline = Deadline(clock=RealClock(), seconds=600)
        await self._client.create(KIND, remediation_request(name, **spec), namespace="ns", deadline=deadline)

    async def sluice(self, *arguments: str, answer: str = "") -> Result:
        result = await asyncio.to_thread(CliRunner().invoke, commands.app, arguments, input=answer)
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SLUICE_NAMESPACE", raising=False)
    async with embedded_cluster(SETTINGS) as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        async with open_client(SETTINGS, clock=RealClock()) as client:
            world = World(client, cluster.server)
            await world.create("rr-one", originalPayload=PAYLOAD)
            target = {"kind": "Deployment", "name": "api", "namespace": "shop"}
            await world.create("rr-two", signalFingerprint="b" * 64, signalName="Slow", targetResource=target)
            yield world


class TestGet:
    async def test_shows_what_people_ask_for(self, world: World):
        shown = await world.sluice("get")
        head, *rows = [line.split() for line in shown.stdout.splitlines()]
        assert " ".join(head) == "NAME PHASE TARGET ALERT SEVERITY COUNT FIRST SEEN LAST SEEN AGE"
        assert sorted(row[:6] for row in rows) == [
            ["rr-one", "Pending", "prod/Pod/web", "HighMemoryUsage", "critical", "1"],
            ["rr-two", "Pending", "shop/Deployment/api", "Slow", "critical", "1"],
        ]

    async def test_never_cuts_what_a_script_reads(self, world: World):
        await world.create("rr-" + "x" * 200)
        assert "rr-" + "x" * 200 in (await world.sluice("get")).stdout

    async def test_names_are_as_kubectl_writes_them(self, world: World):
        shown = await world.sluice("get", "-o", "name")
        assert sorted(shown.stdout.splitlines()) == [f"{NAMED}/rr-one", f"{NAMED}/rr-two"]

    async def test_one_by_name_is_the_object_and_all_are_a_list(self, world: World):
        one = json.loads((await world.sluice("get", "rr-one", "-o", "json")).stdout)
        assert (one["kind"], one["metadata"]["name"]) == ("RemediationRequest", "rr-one")
        many = yaml.safe_load((await world.sluice("get", "-o", "yaml")).stdout)
        assert (many["kind"], len(many["items"])) == ("List", 2)

    @pytest.mark.parametrize(
        "option", [("--target", "DEPLOYMENT/a"), ("--alert", "slow"), ("--alert", "Slow", "--active")]
    )
    async def test_filters_leave_what_matches(self, world: World, option: tuple[str, ...]):
        shown = await world.sluice("get", "-o", "name", *option)
        assert shown.stdout == f"{NAMED}/rr-two\n"

    async def test_nothing_found_is_said_beside_the_output(self, world: World):
        shown = await world.sluice("get", "-n", "default")
        assert (shown.exit_code, shown.stdout) == (0, "")
        assert shown.stderr == "No remediation requests found in namespace default.\n"

    async def test_all_namespaces_are_looked_through(self, world: World):
        shown = await world.sluice("get", "-A", "-n", "default")
        assert shown.exit_code == 2
        assert [line.split()[0] for line in (await world.sluice("get", "-A")).stdout.splitlines()] == [
            "NAMESPACE",
            "ns",
            "ns",
        ]

    async def test_missing_name_fails_with_a_sentence(self, world: World):
        shown = await world.sluice("get", "rr-three")
        assert shown.exit_code == 1
        assert shown.stderr == 'sluice: no remediation request is named "rr-three" in namespace ns\n'

    async def test_start_of_several_names_is_refused_with_them(self, world: World):
        shown = await world.sluice("describe", "rr-")
        assert shown.stderr == 'sluice: 2 remediation requests are named "rr-...": rr-one, rr-two\n'

    async def test_unknown_phase_is_a_usage_error_with_all_that_there_are(self, world: World):
        shown = await world.sluice("get", "--phase", "Done")
        assert shown.exit_code == 2
        assert "--phase 'Done' is no phase; take one of Pending, " in shown.stderr

    async def test_unserved_kind_is_told_with_the_remedy(self, world: World, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("SLUICE_GROUP", "other.example")
        shown = await world.sluice("get")
        assert shown.exit_code == 1
        assert "does not serve remediationrequests.other.example/v1alpha1: apply knative/" in shown.stderr


class TestWhere:
    async def test_unknown_context_is_told(self, world: World):
        shown = await world.sluice("get", "--context", "prod")
        assert shown.exit_code == 1
        assert 'there is no context "prod" in ' in shown.stderr
        assert shown.stderr.endswith("; there are: sluice-embedded\n")

    def test_missing_file_is_told_by_its_name(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("KUBECONFIG", "/no/such/file")
        shown = CliRunner().invoke(commands.app, ["get"])
        assert shown.exit_code == 1
        assert "sluice: the kubeconfig /no/such/file cannot be used: there is no such file; set" in shown.stderr

    def test_silent_server_is_told_by_context_and_address(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        path = write_kubeconfig(tmp_path / "k", server="http://127.0.0.1:9", namespace="ns")
        monkeypatch.setenv("KUBECONFIG", str(path))
        shown = CliRunner().invoke(commands.app, ["get"])
        assert shown.exit_code == 1
        assert "the API server http://127.0.0.1:9 of context sluice-embedded does not answer: " in shown.stderr

    async def test_what_sluice_run_serves_is_looked_at_where_nothing_else_is_named(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        import os

        running = Running(
            pid=1,
            url="http://127.0.0.1:8080",
            kubeconfig=os.environ["KUBECONFIG"],
            context="sluice-embedded",
            server=world.server,
            embedded=True,
            namespace="ns",
            group=KIND.group,
            version=KIND.version,
        )
        monkeypatch.setenv("KUBECONFIG", "")
        monkeypatch.setenv("SLUICE_NAMESPACE", "ns")
        with announced(running, folder=state_folder()):
            shown = await world.sluice("get", "-o", "name")
        assert len(shown.stdout.splitlines()) == 2
        assert "what `sluice run` at http://127.0.0.1:8080 writes to" in shown.stderr


class TestPhase:
    async def test_moves_when_the_question_is_answered_yes(self, world: World):
        shown = await world.sluice("phase", "rr-one", "completed", answer="y\n")
        assert f"in context sluice-embedded, {world.server}, namespace ns?" in shown.stdout
        assert shown.stdout.endswith("Moved rr-one (prod/Pod/web) from Pending to Completed.\n")
        assert (await world.sluice("get", "--active", "-o", "name")).stdout == f"{NAMED}/rr-two\n"
        assert (await world.sluice("get", "--phase", "completed", "-o", "name")).stdout == f"{NAMED}/rr-one\n"

    async def test_changes_nothing_when_it_is_answered_no(self, world: World):
        shown = await world.sluice("phase", "rr-one", "Completed", answer="n\n")
        assert (shown.exit_code, shown.stderr) == (1, "sluice: nothing was changed\n")
        assert len((await world.sluice("get", "--active", "-o", "name")).stdout.splitlines()) == 2

    async def test_question_that_nobody_answers_wants_yes(self, world: World):
        shown = await world.sluice("phase", "rr-one", "Completed", answer="")
        assert shown.exit_code == 2
        assert "nothing was changed, for nobody answered the question; --yes does it without asking" in shown.stderr
        assert len((await world.sluice("get", "--active", "-o", "name")).stdout.splitlines()) == 2

    async def test_change_in_between_is_refused(self, world: World):
        reader = Reader(settings=SETTINGS, where=Where())
        seen = await asyncio.to_thread(reader.get, "rr-one")
        await asyncio.to_thread(reader.set_phase, seen, "Processing")
        with pytest.raises(CommandError, match=r"refused \(409\): .*the object has been modified"):
            await asyncio.to_thread(reader.set_phase, seen, "Completed")
        reader.close()

    async def test_unknown_phase_is_a_usage_error(self, world: World):
        assert (await world.sluice("phase", "rr-one", "Done", "--yes")).exit_code == 2


class TestDescribe:
    async def test_tells_problem_signals_hold_and_payload(self, world: World):
        text = (await world.sluice("describe", "rr-on")).stdout
        for part in (
            "Target:        prod/Pod/web",
            "1 signal, which opened it",
            "its problem: the phase Pending is not terminal",
            '"alertname": "A"',
            "alertname=HighMemoryUsage",
        ):
            assert part in text

    async def test_tells_who_sent_the_first_signal(self, world: World):
        assert "Sent by" not in (await world.sluice("describe", "rr-one")).stdout
        sender = {"sluice.kubernaut.ai/sender": "system:serviceaccount:monitoring:alertmanager"}
        await world.create("rr-sent", meta={"annotations": sender})
        text = (await world.sluice("describe", "rr-sent")).stdout
        assert "Sent by:       system:serviceaccount:monitoring:alertmanager" in text

    async def test_without_a_payload_it_says_so(self, world: World):
        assert "none is stored" in (await world.sluice("describe", "rr-two")).stdout

    async def test_long_payload_is_cut_unless_asked_for(self, world: World):
        await world.create("rr-long", originalPayload="x" * 5_000)
        cut = (await world.sluice("describe", "rr-long")).stdout
        assert "... and 1000 characters more: --payload shows all" in cut
        assert "x" * 5_000 in (await world.sluice("describe", "rr-long", "--payload")).stdout


def row(*, meta: dict[str, Any] | None = None, **status: Any) -> Row:
    obj = remediation_request(
        "rr-1", meta={"uid": "u", "resourceVersion": "1", "creationTimestamp": rfc3339(NOW)} | (meta or {})
    )
    return Row.from_object(obj | {"status": status})


def test_rr_without_times_was_first_and_last_seen_when_it_was_made():
    made = rfc3339(NOW)
    alone, counted = row(), row(deduplication={"occurrenceCount": 1})
    assert {(each.first_seen, each.last_seen) for each in (alone, counted)} == {(made, made)}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (row(), "its problem: the phase Pending is not terminal"),
        (row(overallPhase="Completed"), "nothing: it ended as Completed"),
        (row(overallPhase="Failed", outcome="ManualReviewRequired"), "its problem until a person has looked"),
        (
            row(overallPhase="Failed", completionStatus={"outcome": "ManualReviewRequired"}),
            "its problem until a person has looked",
        ),
        (
            row(overallPhase="Failed", nextAllowedExecution=rfc3339(NOW + timedelta(hours=1))),
            "its problem until 2026-01-02T04:04:05",
        ),
        (
            row(overallPhase="Failed", routingStatus={"nextAllowedExecution": rfc3339(NOW - timedelta(hours=1))}),
            "nothing: it ended as Failed",
        ),
        (
            row(meta={"deletionTimestamp": "2026-01-02T03:00:00Z", "finalizers": ["a/b"]}),
            "nothing: it is being deleted since 2026-01-02T03:00:00Z and waits for a/b",
        ),
    ],
)
def test_what_it_holds_is_told_as_the_gateway_judges_it(shown: Row, expected: str):
    assert holding(shown, now=NOW).startswith(expected)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-5, "0s"), (42, "42s"), (119, "119s"), (125, "2m5s"), (7_200, "120m"), (864_000, "10d")]
)
def test_ages_are_kubectl_s(seconds: int, expected: str):
    assert age(rfc3339(NOW - timedelta(seconds=seconds)), now=NOW) == expected


def test_age_of_what_is_no_time_is_a_question_mark():
    assert age("soon", now=NOW) == "?"


def changed(name: str, version: int, *, phase: str = "", alert: str = "A") -> dict[str, Any]:
    meta = {"uid": name, "resourceVersion": str(version), "creationTimestamp": rfc3339(NOW)}
    return remediation_request(name, meta=meta, signalName=alert) | {"status": {"overallPhase": phase} if phase else {}}


class TestBoard:
    def test_follows_additions_changes_and_deletions(self):
        board = Board(chosen=Filter())
        assert [each.view.name for each in board.take(Event("LIST", (changed("a", 1), changed("b", 2))))] == ["a", "b"]
        assert [each.view.name for each in board.take(Event("ADDED", (changed("c", 3),)))] == ["c"]
        assert [each.view.phase for each in board.take(Event("MODIFIED", (changed("a", 4, phase="Failed"),)))] == [
            "Failed"
        ]
        assert board.take(Event("DELETED", (changed("b", 5),))) == []
        assert [each.view.name for each in board.rows] == ["a", "c"]
        assert board.sums == "2 remediation requests, 1 active, for 2 signals"

    def test_after_a_loss_only_what_changed_meanwhile_is_new(self):
        board = Board(chosen=Filter())
        board.take(Event("LIST", (changed("a", 1), changed("b", 2))))
        assert board.take(Event("LOST", why="it does not answer")) == []
        assert board.stale == "it does not answer"
        assert [each.view.name for each in board.take(Event("LIST", (changed("a", 3),)))] == ["a"]
        assert board.stale == ""
        assert [each.view.name for each in board.rows] == ["a"]

    def test_list_without_a_watch_stays_out_of_date_until_the_watch_goes_on(self):
        board = Board(chosen=Filter())
        board.take(Event("LIST", (changed("a", 1),), why="it lets nobody watch"))
        assert (board.stale, len(board.rows)) == ("it lets nobody watch", 1)
        assert board.take(Event("ALIVE")) == []
        assert (board.stale, len(board.rows)) == ("", 1)

    def test_what_no_longer_matches_goes(self):
        board = Board(chosen=Filter(active=True))
        board.take(Event("LIST", (changed("a", 1),)))
        board.take(Event("MODIFIED", (changed("a", 2, phase="Completed"),)))
        assert board.rows == []


def display(console: Console, pauses: list[float], *, output: Output = Output.TABLE) -> Display:
    return Display(
        console, chosen=Filter(), output=output, clock=RealClock(), pause=pauses.append, where="context c, ns"
    )


class TestDisplay:
    EVENTS = (
        Event("LIST", (changed("a", 1),)),
        Event("LOST", why="no answer"),
        Event("LOST", why="no answer"),
        Event("LIST", (changed("a", 1), changed("b", 2))),
    )

    def test_writes_a_line_for_each_change_where_there_is_no_terminal(self, capsys: pytest.CaptureFixture[str]):
        pauses: list[float] = []
        display(Console(), pauses).follow(self.EVENTS)
        shown = capsys.readouterr()
        assert [line.split()[1] for line in shown.out.splitlines()] == ["a", "b"]
        assert pauses == [1.0, 2.0]
        assert shown.err.count("sluice: no answer. Trying again.") == 2

    def test_server_that_lets_nobody_watch_is_asked_ever_less_often_and_each_loss_is_told_once(
        self, capsys: pytest.CaptureFixture[str]
    ):
        pauses: list[float] = []
        once = (Event("LIST", (changed("a", 1),), why="no watch"), Event("LOST", why="no watch"))
        display(Console(), pauses).follow((Event("LIST", ()), once[1], *once, *once, Event("LIST"), once[1]))
        assert pauses == [1.0, 2.0, 4.0, 1.0]
        assert capsys.readouterr().err.count("sluice: no watch. Trying again.") == 4

    def test_writes_each_change_as_json_when_asked(self, capsys: pytest.CaptureFixture[str]):
        display(Console(), [], output=Output.NAME).follow(self.EVENTS)
        assert capsys.readouterr().out == f"{NAMED}/a\n{NAMED}/b\n"

    def test_redraws_on_a_terminal_and_says_when_it_is_out_of_date(self, capsys: pytest.CaptureFixture[str]):
        console = Console(force_terminal=True, width=160, height=20)
        display(console, []).follow(self.EVENTS)
        shown = capsys.readouterr().out
        assert "2 remediation requests, 2 active, for 2 signals" in shown
        assert "Out of date: no answer. Trying again." in shown


async def test_watch_sees_what_happens_after_its_start(world: World):
    reader = Reader(settings=SETTINGS, where=Where())
    events = reader.watch()
    first = await asyncio.to_thread(next, events)
    assert (first.kind, len(first.objects)) == ("LIST", 2)
    await world.create("rr-three", signalFingerprint="c" * 64)
    added = await asyncio.to_thread(next, events)
    assert (added.kind, added.objects[0]["metadata"]["name"]) == ("ADDED", "rr-three")
    await asyncio.to_thread(reader.set_phase, added.objects[0], "Failed")
    moved = await asyncio.to_thread(next, events)
    assert (moved.kind, moved.objects[0]["status"]["overallPhase"]) == ("MODIFIED", "Failed")
    await asyncio.to_thread(events.close)
    reader.close()

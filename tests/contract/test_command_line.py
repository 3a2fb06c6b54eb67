"""`sluice` with real kubeconfigs: which cluster it looks at, with which rights, and what it says where that fails."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from core.local import commands
from core.local.viewing.reader import Reader, Where
from core.settings import Settings
from tests.contract.client import Embedded, Real
from tests.contract.objects import GROUP, remediation_request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.client import Client, Server

NAME = f"remediationrequest.{GROUP}"


class Place:
    """The test's namespace on its server, which holds `rr-1`, and kubeconfigs that lead there and elsewhere."""

    def __init__(self, server: Server, namespace: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server = server
        self._folder = folder
        self._monkeypatch = monkeypatch
        self.namespace = namespace
        self.admin = {"token": server.admin.token}

    async def user(self, *verbs: str) -> tuple[str, dict[str, Any]]:
        """A user who may do that with RRs; the name, and what a kubeconfig says of it."""
        rule = {"apiGroups": [GROUP], "resources": ["remediationrequests"], "verbs": list(verbs)}
        name, token = await self._server.new_user(self.namespace, *([rule] if verbs else []))
        return name, {"token": token}

    def here(self, user: dict[str, Any]) -> dict[str, Any]:
        trust = {"certificate-authority": str(self._server.ca_file)} if isinstance(self._server, Real) else {}
        return {"cluster": {"server": self._server.admin.url} | trust, "user": user, "namespace": self.namespace}

    def write(self, file: str, current: str, **contexts: dict[str, Any]) -> str:
        """Write a kubeconfig; a current context is said where it is not empty."""
        config: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "contexts": [], "clusters": [], "users": []}
        for name, context in contexts.items():
            named = {"cluster": name, "user": name, "namespace": context["namespace"]}
            config["contexts"].append({"name": name, "context": named})
            config["clusters"].append({"name": name, "cluster": context["cluster"]})
            config["users"].append({"name": name, "user": context["user"]})
        path = self._folder / file
        path.write_text(yaml.safe_dump(config | ({"current-context": current} if current else {})))
        return str(path)

    def look(self, *files: str) -> None:
        self._monkeypatch.setenv("KUBECONFIG", ":".join(files))

    def look_as(self, user: dict[str, Any]) -> None:
        self.look(self.write("config", "here", here=self.here(user)))

    async def sluice(self, *arguments: str) -> Result:
        words = (*arguments, "-n", self.namespace) if arguments[0] == "explain" else arguments
        result = await asyncio.to_thread(CliRunner().invoke, commands.app, words)
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result


@pytest.fixture
def place(server: Server, namespace: str, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in ("XDG_RUNTIME_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("KUBECONFIG", "SLUICE_NAMESPACE", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    return Place(server, namespace, tmp_path, monkeypatch)


LOOKS = [
    ("get", "-o", "name"),
    ("get", "rr-1", "-o", "name"),
    ("describe", "rr-1"),
    ("explain", "a" * 64),
    ("prune", "--dry-run", "--older-than", "1s"),
]
LETTERS = ("dead-letters", "list")
AWAY_URL = "http://127.0.0.1:9"
AWAY = {"cluster": {"server": AWAY_URL}, "user": {}, "namespace": "elsewhere"}


class TestSeveralContexts:
    @pytest.mark.parametrize("arguments", LOOKS, ids=" ".join)
    async def test_the_one_that_is_named_is_looked_at(self, place: Place, arguments: tuple[str, ...]):
        place.look(place.write("config", "away", away=AWAY, here=place.here(place.admin)))
        assert (await place.sluice(*arguments, "--context", "here")).exit_code == 0
        assert (await place.sluice(*arguments)).exit_code == 1

    async def test_doctor_looks_at_the_one_that_is_named(self, place: Place):
        place.look(place.write("config", "away", away=AWAY, here=place.here(place.admin)))
        named = (await place.sluice("doctor", "-o", "name", "--context", "here")).stdout.splitlines()
        assert {"ok/server", "ok/namespace", "ok/definition"} <= set(named)
        assert (await place.sluice("doctor", "-o", "name")).stdout.splitlines() == ["failure/server"]

    async def test_dead_letters_are_looked_for_in_the_one_that_is_named(self, place: Place):
        place.look(place.write("config", "away", away=AWAY, here=place.here(place.admin)))
        assert AWAY_URL not in (await place.sluice(*LETTERS, "--context", "here")).stderr
        assert AWAY_URL in (await place.sluice(*LETTERS)).stderr

    @pytest.mark.parametrize(
        "arguments", [*LOOKS, ("watch",), ("phase", "rr-1", "Failed"), ("doctor",), LETTERS], ids=" ".join
    )
    async def test_one_that_is_not_there_is_told_with_those_that_are(self, place: Place, arguments: tuple[str, ...]):
        place.look(place.write("config", "away", away=AWAY, here=place.here(place.admin)))
        shown = await place.sluice(*arguments, "--context", "nope")
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert 'sluice: there is no context "nope" in ' in shown.stderr
        assert shown.stderr.endswith("; there are: away, here\n")

    async def test_one_of_a_file_without_a_current_one_can_be_named(self, place: Place):
        place.look(place.write("config", "", here=place.here(place.admin)))
        assert (await place.sluice("get", "-o", "name", "--context", "here")).stdout == f"{NAME}/rr-1\n"
        shown = await place.sluice("get")
        assert shown.exit_code == 1
        assert "current-context" in shown.stderr


class TestSeveralFiles:
    """kubectl takes the current context of the first file that has one; `kubernetes` would take the last's."""

    @pytest.fixture(params=["here", "away"])
    def first(self, request: pytest.FixtureRequest, place: Place) -> str:
        contexts = {"here": place.here(place.admin), "away": AWAY}
        order = sorted(contexts, key=lambda name: name != request.param)
        place.look("/no/such/file", *(place.write(name, name, **{name: contexts[name]}) for name in order))
        return str(request.param)

    @pytest.mark.parametrize("arguments", LOOKS, ids=" ".join)
    async def test_first_file_says_which_context_is_current(self, place: Place, first: str, arguments: tuple[str, ...]):
        assert (await place.sluice(*arguments)).exit_code == (0 if first == "here" else 1)

    async def test_each_context_can_be_named(self, place: Place, first: str):
        assert (await place.sluice("get", "-o", "name", "--context", "here")).stdout == f"{NAME}/rr-1\n"
        assert (await place.sluice("get", "--context", "away")).exit_code == 1


class TestRights:
    @pytest.mark.parametrize(
        "arguments",
        [*LOOKS, ("get", "-A"), ("watch",), ("phase", "rr-1", "Failed", "-y"), ("replay", "-y"), ("console",)],
        ids=" ".join,
    )
    async def test_what_is_forbidden_is_told_by_user_verb_and_kind(self, place: Place, arguments: tuple[str, ...]):
        name, user = await place.user()
        place.look_as(user)
        shown = await place.sluice(*arguments)
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert f'User "{name}" cannot list resource "remediationrequests"' in shown.stderr
        assert len(shown.stderr.splitlines()) == 1

    async def test_who_may_get_one_by_its_name_needs_no_list(self, place: Place):
        place.look_as((await place.user("get"))[1])
        assert "Name:         rr-1" in (await place.sluice("describe", "rr-1")).stdout

    async def test_who_may_read_may_not_move_a_phase(self, place: Place):
        place.look_as((await place.user("list", "get"))[1])
        shown = await place.sluice("phase", "rr-1", "Failed", "--yes")
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert 'cannot patch resource "remediationrequests/status"' in shown.stderr

    async def test_who_may_list_and_not_watch_is_told_so_and_shown_what_is_listed(self, place: Place):
        place.look_as((await place.user("list"))[1])
        reader = Reader(settings=Settings(), where=Where())
        events = reader.watch()
        seen = [await asyncio.to_thread(next, events) for _ in range(4)]
        assert [(event.kind, len(event.objects)) for event in seen] == [("LIST", 1), ("LOST", 0)] * 2
        assert ["cannot watch resource" in event.why for event in seen] == [False, True, True, True]
        events.close()
        reader.close()


class TestWatch:
    async def test_where_it_is_too_old_all_is_listed_again_and_nothing_is_lost(
        self, server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
    ):
        place.look_as(place.admin)
        if isinstance(server, Embedded):  # the real one keeps no change from before its start
            for kind in server._api.store._collections.values():
                kind.forget(2)
        reader = Reader(settings=Settings(), where=Where())
        listed, versions = reader._call, iter(["1"])

        def listed_long_ago(*work: Any, **options: Any) -> Any:
            answer = listed(*work, **options)
            answer["metadata"]["resourceVersion"] = next(versions, answer["metadata"]["resourceVersion"])
            return answer

        monkeypatch.setattr(reader, "_call", listed_long_ago)
        events = reader.watch()
        seen = [await asyncio.to_thread(next, events) for _ in range(2)]
        assert [(event.kind, event.why) for event in seen] == [("LIST", "")] * 2
        events.close()
        reader.close()


class TestCredentials:
    @pytest.mark.parametrize("arguments", LOOKS, ids=" ".join)
    async def test_token_that_is_unknown_or_has_ended_is_told(self, place: Place, arguments: tuple[str, ...]):
        place.look_as({"token": "of-yesterday"})
        shown = await place.sluice(*arguments)
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert "401" in shown.stderr
        assert "credentials" in shown.stderr

    @pytest.mark.parametrize("arguments", LOOKS, ids=" ".join)
    async def test_exec_plugin_is_asked_for_the_token(self, place: Place, tmp_path: Path, arguments: tuple[str, ...]):
        answer = {"apiVersion": EXEC, "kind": "ExecCredential", "status": place.admin}
        place.look_as(plugin(tmp_path, f"echo '{json.dumps(answer)}'"))
        assert (await place.sluice(*arguments)).exit_code == 0

    @pytest.mark.parametrize("arguments", LOOKS, ids=" ".join)
    async def test_exec_plugin_that_fails_is_named(self, place: Place, tmp_path: Path, arguments: tuple[str, ...]):
        user = plugin(tmp_path, "echo 'log in first' >&2; exit 3")
        place.look_as(user)
        shown = await place.sluice(*arguments)
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert user["exec"]["command"] in shown.stderr


EXEC = "client.authentication.k8s.io/v1"


def plugin(folder: Path, script: str) -> dict[str, Any]:
    """What a kubeconfig says of a user whose credentials come from a program."""
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"exec": {"apiVersion": EXEC, "command": str(path), "interactiveMode": "Never"}}


class TestNames:
    async def test_what_o_name_writes_is_taken_again(self, place: Place):
        place.look_as(place.admin)
        (name,) = (await place.sluice("get", "-o", "name")).stdout.split()
        assert name == f"{NAME}/rr-1"
        assert "Name:         rr-1" in (await place.sluice("describe", name)).stdout

    async def test_whole_name_is_taken_also_where_others_begin_with_it(self, place: Place, api: Client, rrs: str):
        await api.post(rrs, remediation_request("rr-1-more"))
        place.look_as(place.admin)
        assert (await place.sluice("get", "rr-1", "-o", "name")).stdout == f"{NAME}/rr-1\n"
        assert (await place.sluice("describe", "rr-")).exit_code == 1
        assert (await place.sluice("describe", "..")).exit_code == 1

"""The command line ends in one sentence and an exit code, never in a stack trace."""

import asyncio
import builtins
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from core.local import cli, commands
from core.local.demo import Demo
from core.local.run import Run
from core.local.send import Sending, SendPlan
from core.local.shell import CommandError
from core.version import VERSION


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", str(tmp_path))


def invoke(*arguments: str) -> Result:
    result = CliRunner().invoke(commands.app, arguments)
    assert isinstance(result.exception, SystemExit | None)
    return result


def replace(monkeypatch: pytest.MonkeyPatch, command: type, name: str, outcome: Any) -> None:
    async def replaced(self: object, *_: object) -> Any:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(command, name, replaced)


def test_taken_port_is_one_sentence_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = invoke("run", "--port", str(port))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"sluice: port {port} of 127.0.0.1 is taken")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_wrong_setting_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_NAMESPACE", "Not A Name")
    for command in ("run", "demo"):
        result = invoke(command)
        assert result.exit_code == 1
        assert result.stderr.startswith("sluice: SLUICE_NAMESPACE='Not A Name' cannot work")


def test_kubeconfig_that_is_no_file_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    result = invoke("run", "--port", "0", "--cluster")
    assert result.exit_code == 1
    assert "sluice: KUBECONFIG=/no/such/file names no file" in result.stderr


def test_demo_without_a_function_is_one_sentence() -> None:
    result = invoke("demo", "--url", "http://127.0.0.1:9", "--yes")
    assert result.exit_code == 1
    assert "start the function first: `make run`" in result.stderr


def test_exit_code_of_a_child_that_died_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    replace(monkeypatch, Run, "serve", CommandError("it ended", exit_code=7))
    assert invoke("run").exit_code == 7


def test_run_that_is_stopped_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    replace(monkeypatch, Run, "serve", None)
    result = invoke("run")
    assert result.exit_code == 0
    assert result.stdout == "Stopped.\n"


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_demo_fails_where_its_checks_do(monkeypatch: pytest.MonkeyPatch, passed: bool, code: int) -> None:
    replace(monkeypatch, Demo, "play", passed)
    assert invoke("demo").exit_code == code


@pytest.mark.parametrize("command", ["demo", "send"])
def test_url_where_nothing_answers_is_told_with_the_command_that_starts_it(command: str) -> None:
    result = invoke(command, "--url", "http://127.0.0.1:9")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("sluice: nothing answers at http://127.0.0.1:9; start the function first")


def test_demo_cleans_up_when_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    replace(monkeypatch, Demo, "clean", False)
    replace(monkeypatch, Demo, "play", AssertionError("nothing is sent"))
    assert invoke("demo", "--clean").exit_code == 1


def test_interrupted_demo_ends_as_shells_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(work: Any) -> None:
        work.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run", interrupted)
    assert invoke("demo").exit_code == 130


def test_burst_takes_its_size_from_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Demo] = []

    async def play(self: Demo) -> bool:
        seen.append(self)
        return True

    monkeypatch.setattr(Demo, "play", play)
    invoke("demo", "--seed", "3", "--alerts", "9", "--workloads", "2", "--url", "http://localhost:1")
    (demo,) = seen
    assert (demo.plan.seed, demo.plan.alerts, demo.plan.workloads, demo.url) == (3, 9, 2, "http://localhost:1")


def test_entry_point_shows_its_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["sluice", "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "run" in shown
    assert "demo" in shown


def test_version_is_shown() -> None:
    assert invoke("--version").stdout == f"sluice {VERSION}\n"


def test_send_makes_alerts_up_and_posts_them_where_it_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    async def send(self: Sending, webhooks: Any) -> bool:
        sent.append((self.url, self.plan, sum(len(each["alerts"]) for each in webhooks)))
        return False

    monkeypatch.setattr(Sending, "send", send)
    refused = invoke("send", "--url", "http://localhost:9")
    assert (refused.exit_code, sent) == (1, [])
    assert invoke("send", "--url", "http://localhost:9", "--alerts", "7", "--rate", "3", "--yes").exit_code == 1
    assert sent == [("http://localhost:9", SendPlan(rate=3.0), 7)]


def test_send_reads_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    replace(monkeypatch, Sending, "send", True)
    result = CliRunner().invoke(commands.app, ["send", "-", "--yes"], input='{"labels": {"alertname": "A"}}')
    assert result.exit_code == 0
    assert CliRunner().invoke(commands.app, ["send", "-", "--yes"], input="[]").exit_code == 2


@pytest.mark.parametrize("missing", ["typer", "rich.text", "jsonschema", "jsonpatch"])
def test_missing_extra_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "core.local.commands":
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = f"sluice: the command line needs {missing.split('.', maxsplit=1)[0]}: pip install 'sluice-gateway[local]'"
    assert ended.value.code == told


def test_defect_of_ours_is_not_taken_for_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "core.local.commands", None)
    with pytest.raises(ModuleNotFoundError):
        cli.main()

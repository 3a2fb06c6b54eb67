"""The command line ends in one sentence and an exit code, never in a stack trace."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from core.local import cli, commands
from core.local.demo import Demo
from core.local.run import Run
from core.local.shell import CommandError


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
    async def replaced(self: object) -> Any:
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


def test_demo_on_another_cluster_is_a_usage_error_without_yes() -> None:
    result = invoke("demo", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 2
    assert "it is not known to which cluster it writes" in result.stderr


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

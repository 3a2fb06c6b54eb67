"""`sluice doctor` as a command: its forms of output, its exit codes, its bad input."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from core.local import commands
from core.local.doctor import command
from core.local.doctor.findings import Finding, failure, ok, warning

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_RUNTIME_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", "")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the doctor is to find."""
    findings = [ok("server", "Kubernetes v1.36.3"), warning("clock", "it is slow", "use NTP")]

    async def examined(*_: object) -> list[Finding]:
        await asyncio.sleep(0)
        return findings

    monkeypatch.setattr(command, "_examined", examined)
    return findings


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(commands.app, ["doctor", *arguments])


def test_warnings_are_shown_with_their_remedy_and_fail_nothing(found):
    result = invoke()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "ok      server: Kubernetes v1.36.3",
        "warning clock: it is slow",
        "        → use NTP",
    ]


def test_failure_is_exit_code_1(found):
    found.append(failure("definition", "it is missing", "apply it"))
    assert invoke().exit_code == 1


def test_json_is_for_scripts(found):
    assert json.loads(invoke("-o", "json").stdout) == [
        {"check": "server", "level": "ok", "message": "Kubernetes v1.36.3", "remedy": ""},
        {"check": "clock", "level": "warning", "message": "it is slow", "remedy": "use NTP"},
    ]


def test_names_are_one_a_line(found):
    assert invoke("-o", "name").stdout.splitlines() == ["ok/server", "warning/clock"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(None, "cannot be read"), ("a: [", "is no YAML"), ("7", "holds no configuration of Alertmanager")],
)
def test_alertmanagers_file_that_is_none_is_wrong_usage(found, tmp_path, text, sentence):
    file = tmp_path / "alertmanager.yml"
    if text is not None:
        file.write_text(text)
    result = invoke("--alertmanager", str(file))
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1

"""`sluice config` says what is in effect and why."""

import json

import pytest
from typer.testing import CliRunner

from core.local import commands
from core.local.configuration import effective_settings
from core.settings import Settings


def source_of(variable: str, settings: Settings, environ: dict[str, str]) -> str:
    (found,) = [each for each in effective_settings(settings, environ=environ) if each.variable == variable]
    return found.source


@pytest.mark.parametrize(
    ("settings", "environ", "expected"),
    [
        (Settings(namespace="sluice-system"), {}, "default"),
        (Settings(namespace="ns"), {"SLUICE_NAMESPACE": "ns"}, "SLUICE_NAMESPACE"),
        (Settings(namespace="ns"), {"SLUICE_NAMESPACE": "", "POD_NAMESPACE": "ns"}, "POD_NAMESPACE"),
        (Settings(namespace="ns"), {}, "service account"),
    ],
)
def test_namespace_tells_where_it_comes_from(settings: Settings, environ: dict[str, str], expected: str):
    assert source_of("SLUICE_NAMESPACE", settings, environ) == expected


def test_every_setting_is_there_with_its_meaning():
    shown = effective_settings(Settings(namespace="ns"), environ={})
    assert [each.variable for each in shown] == [f"SLUICE_{name.upper()}" for name in Settings.fields]
    assert all(each.meaning for each in shown)


def test_each_form_is_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLUICE_GROUP", "kubernaut.ai")
    monkeypatch.setenv("SLUICE_GRUOP", "x")
    run = CliRunner()
    table = run.invoke(commands.app, ["config"])
    assert ["SLUICE_GROUP", "kubernaut.ai", "SLUICE_GROUP"] in [line.split() for line in table.stdout.splitlines()]
    assert "SLUICE_GRUOP is no setting; SLUICE_GROUP is meant?" in table.stderr
    objects = json.loads(run.invoke(commands.app, ["config", "-o", "json"]).stdout)
    (group,) = [each for each in objects if each["variable"] == "SLUICE_GROUP"]
    assert (group["value"], group["source"]) == ("kubernaut.ai", "SLUICE_GROUP")
    assert "SLUICE_GROUP" in run.invoke(commands.app, ["config", "-o", "name"]).stdout.splitlines()
    assert "- variable: SLUICE_NAMESPACE" in run.invoke(commands.app, ["config", "-o", "yaml"]).stdout

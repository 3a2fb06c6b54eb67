"""serverless.yaml resolves and packages under the real CLI, and what it packages starts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.serverless.framework import command, installed
from tests.support.kubeconfigs import write_kubeconfig

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("alertmanager", "kubernetes_event", "pubsub")
VARIABLES = {
    "GOOGLE_CLOUD_PROJECT": "shop",
    "SERVICE_ACCOUNT": "sluice@shop.iam.gserviceaccount.com",
    "SLUICE_API_SERVER": "https://192.0.2.1",
    "SLUICE_API_CA": "Q0E=",
    "TOPIC": "incidents",
}
# Loads a function's file as functions-framework does, and tells where its parts came from.
LOAD = """
import importlib.util, json, sys
name = sys.argv[1]
spec = importlib.util.spec_from_file_location(name, f"functions/{name}.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import core, functions
print(json.dumps([core.__file__, functions.__file__, hasattr(module, name), "core.local" in sys.modules]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a person has, with the CLI's packages beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("core", "functions", "knative"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("serverless.yaml", "requirements.txt", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    (folder / "node_modules").symlink_to(installed() / "node_modules")
    return folder


def run(project: Path, *arguments: str, without: str = "") -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in VARIABLES.items() if name != without}
    quiet = {"SLS_NOTIFICATIONS_MODE": "off", "SLS_TELEMETRY_DISABLED": "1"}
    return subprocess.run(
        command(*arguments),
        cwd=project,
        env={"PATH": os.defpath, "HOME": str(project.parent)} | quiet | given,
        capture_output=True,
        text=True,
        check=False,
    )


def packaged(project: Path) -> Path:
    """The archive that `package` makes."""
    made = run(project, "package")
    assert made.returncode == 0, made.stdout + made.stderr
    return project / ".serverless" / "sluice.zip"


def compiled(project: Path) -> dict[str, Any]:
    """What the plugin would send to Google, for each function."""
    template = yaml.safe_load((project / ".serverless" / "configuration-template-update.yml").read_text())
    return {
        each["properties"]["entryPoint"]: each["properties"]
        for each in template["resources"]
        if "entryPoint" in each["properties"]
    }


def test_print_resolves_every_variable(project: Path) -> None:
    printed = run(project, "print")
    assert printed.returncode == 0, printed.stderr
    assert "${" not in printed.stdout
    service = yaml.safe_load(printed.stdout[printed.stdout.index("service:") :])
    assert service["functions"].keys() == set(FUNCTIONS)
    assert service["provider"]["environment"] == {
        "SLUICE_AUTH": "none",
        "SLUICE_NAMESPACE": "sluice-system",
        "SLUICE_API_SERVER": "https://192.0.2.1",
        "SLUICE_API_CA": "Q0E=",
        "SLUICE_SCOPE_LABEL": "",
    }


@pytest.mark.parametrize("missing", ["GOOGLE_CLOUD_PROJECT", "SERVICE_ACCOUNT", "SLUICE_API_SERVER", "SLUICE_API_CA"])
def test_variable_that_is_not_set_stops_it(project: Path, missing: str) -> None:
    printed = run(project, "print", without=missing)
    assert printed.returncode == 1
    said = printed.stdout + printed.stderr
    assert "Cannot resolve variable at" in said
    assert 'Value not found at "env" source' in said


def test_package_gives_each_function_its_trigger_and_settings(project: Path) -> None:
    packaged(project)
    functions = compiled(project)
    assert functions.keys() == set(FUNCTIONS)
    for name in ("alertmanager", "kubernetes_event"):
        assert "httpsTrigger" in functions[name]
    assert functions["pubsub"]["eventTrigger"] == {
        "eventType": "providers/cloud.pubsub/eventTypes/topic.publish",
        "resource": "projects/shop/topics/incidents",
        "failurePolicy": {"retry": {}},
    }
    for properties in functions.values():
        assert properties["runtime"] == "python312"
        assert properties["serviceAccountEmail"] == VARIABLES["SERVICE_ACCOUNT"]
        assert properties["environmentVariables"]["SLUICE_AUTH"] == "none"


def test_package_holds_what_runs_and_nothing_else(project: Path) -> None:
    with zipfile.ZipFile(packaged(project)) as archive:
        found = set(archive.namelist())
    sources = {str(path.relative_to(ROOT)) for room in ("core", "functions") for path in (ROOT / room).rglob("*.py")}
    assert found == {path for path in sources if not path.startswith("core/local/")} | {"requirements.txt"}


def test_each_function_loads_from_the_package_alone(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(packaged(project)) as archive:
        archive.extractall(folder)
    for name in FUNCTIONS:
        loaded = subprocess.run(
            [sys.executable, "-c", LOAD, name],
            cwd=folder,
            env={"PATH": os.defpath, "KUBECONFIG": str(write_kubeconfig(tmp_path))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert loaded.returncode == 0, loaded.stderr
        core, functions, has_target, has_local = json.loads(loaded.stdout)
        assert (core, functions) == (str(folder / "core/__init__.py"), str(folder / "functions/__init__.py"))
        assert (has_target, has_local) == (True, False)

"""serverless.yaml names every function, with settings that exist, and packages what runs and nothing else.

Why not with the Framework's own CLI: docs/decisions/serverless-framework.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from tests.serverless.manifest import UnresolvedError, chosen, read_manifest
from tests.support.kubeconfigs import write_kubeconfig

ROOT = Path(__file__).parents[2]
KNATIVE_ALONE = {"dead_letters"}  # a Broker's sink; on Google's platform Pub/Sub has dead letter topics
FUNCTIONS = sorted({path.stem for path in (ROOT / "functions").glob("[a-z]*.py")} - KNATIVE_ALONE)
VARIABLES = {
    "GOOGLE_CLOUD_PROJECT": "shop",
    "SERVICE_ACCOUNT": "sluice@shop.iam.gserviceaccount.com",
    "SLUICE_API_SERVER": "https://192.0.2.1",
    "SLUICE_API_CA": "Q0E=",
    "SLUICE_CLUSTER": "east",
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


def manifest(without: str = "") -> dict[str, Any]:
    return read_manifest(
        ROOT / "serverless.yaml", {name: value for name, value in VARIABLES.items() if name != without}
    )


def packaged() -> set[str]:
    folders = (ROOT / name for name in ("core", "functions", "knative", "docs", "tests"))
    files = [*ROOT.glob("*"), *(path for folder in folders for path in folder.rglob("*"))]
    return set(chosen(manifest()["package"]["patterns"], (str(path.relative_to(ROOT)) for path in files)))


def test_manifest_has_every_function_and_no_other():
    assert sorted(manifest()["functions"]) == FUNCTIONS
    assert [each["handler"] for each in manifest()["functions"].values()] == list(manifest()["functions"])


def test_settings_of_the_manifest_exist():
    service = manifest()
    given = service["provider"]["environment"] | service["functions"]["pubsub"]["environment"]
    assert service["provider"]["environment"]["SLUICE_AUTH"] == "none"
    assert given["SLUICE_NAMESPACE"] == "sluice-system"
    assert {name.removeprefix("SLUICE_").lower() for name in given} <= Settings.fields.keys()


@pytest.mark.parametrize("missing", ["GOOGLE_CLOUD_PROJECT", "SERVICE_ACCOUNT", "SLUICE_API_SERVER", "SLUICE_API_CA"])
def test_variable_without_a_default_has_to_be_set(missing: str):
    with pytest.raises(UnresolvedError, match=missing):
        manifest(without=missing)


def test_alerts_come_by_http_and_messages_by_topic_with_retry():
    functions = manifest()["functions"]
    assert functions["alertmanager"]["events"] == functions["kubernetes_event"]["events"] == [{"http": "path"}]
    (trigger,) = functions["pubsub"]["events"]
    assert trigger["event"]["resource"] == "projects/shop/topics/incidents"
    assert trigger["event"]["failurePolicy"] == {"retry": {}}


def test_package_holds_what_runs_and_nothing_else():
    sources = {str(path.relative_to(ROOT)) for room in ("core", "functions") for path in (ROOT / room).rglob("*.py")}
    assert packaged() == {path for path in sources if not path.startswith("core/local/")} | {"requirements.txt"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_loads_from_the_package_alone(name: str, tmp_path: Path):
    folder = tmp_path / "unpacked"
    for path in packaged():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
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


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        (["**"], ["a.py", "core/b.py", "core/local/c.py"]),
        (["!**", "core/**/*.py"], ["core/b.py", "core/local/c.py"]),
        (["!**", "core/**/*.py", "!core/local/**"], ["core/b.py"]),
        (["!**", "*.py"], ["a.py"]),
        ([], []),
    ],
)
def test_last_pattern_that_matches_counts(patterns: list[str], taken: list[str]):
    assert list(chosen(patterns, ["a.py", "core/b.py", "core/local/c.py"])) == taken

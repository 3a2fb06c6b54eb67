"""The wheel, installed into a fresh environment, runs outside the checkout: data, functions and version are in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tomllib
import venv
import zipfile
from typing import TYPE_CHECKING

import pytest

from core.version import VERSION
from tests.apiserver.process import ServerProcess
from tests.e2e.function import ROOT, SCRIPTS, UNWANTED, FunctionProcess
from tests.support.http import send
from tests.support.waiting import HANGS_AFTER, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Environment = Mapping[str, str]

BUILDS_WITHIN = 600.0  # seconds; 2 on an idle core, and as long as the package index takes for what it depends on
FUNCTIONS = ("alertmanager", "kubernetes_event", "pubsub", "dead_letters")
# Otherwise a cluster would have to be there before a function listens.
NO_CLUSTER = {"SLUICE_AUTH": "none", "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "9"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what the build reads, so that nothing of the checkout can come in by accident."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for folder in ("core", "functions", "knative"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)], folder=source)
    (found,) = built.iterdir()
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a fresh virtual environment with the wheel and the locked versions of what it needs."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder)
    scripts = folder / "bin"
    constraints = ROOT / "requirements-dev.txt"
    install = [str(SCRIPTS / "uv"), "pip", "install", "--quiet", "--python", str(scripts / "python")]
    run([*install, "--constraint", str(constraints), f"{wheel}[local]"], folder=folder)
    return scripts


def pythons() -> list[str]:
    """The versions that the package says it is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = (each.removeprefix("Programming Language :: Python :: ") for each in project["classifiers"])
    return [each for each in named if each[0].isdecimal()]


def run(command: list[str], *, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILDS_WITHIN, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path, scripts: Path) -> dict[str, str]:
    path = os.pathsep.join((str(scripts), os.defpath))
    return {"PATH": path, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}


def test_wheel_holds_the_packages_and_their_data_and_no_tests(wheel: Path) -> None:
    assert wheel.name == f"sluice_gateway-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        crd = archive.read("core/local/embedded/crd.yaml")
    assert crd == (ROOT / "knative" / "cluster" / "crd.yaml").read_bytes()
    assert {f"functions/{name}.py" for name in FUNCTIONS} <= set(names)
    assert {name.split("/")[0] for name in names} == {"core", "functions", f"sluice_gateway-{VERSION}.dist-info"}


def test_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    shown = run([str(installed / "sluice"), "--version"], folder=tmp_path)
    assert shown == f"sluice {VERSION}\n"


def test_installed_command_serves_and_its_burst_passes(installed: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, installed)
    process = ServerProcess(
        [str(installed / "sluice"), "run", "--port", "0"],
        log_file=tmp_path / "run.log",
        environment=env,
        folder=tmp_path,
        when_orphaned=signal.SIGTERM,
    )
    process.start()
    try:
        wait_for(lambda: _is_ready(process), what="sluice run to be ready", within=HANGS_AFTER)
        (line,) = [each for each in process.log_file.read_text().splitlines() if each.startswith("function ")]
        url = line.split()[1]
        assert f'"version":"{VERSION}"' in send("GET", f"{url}/openapi.json").body.decode()
        assert f'gateway_build_info{{version="{VERSION}"}} 1.0' in send("GET", f"{url}/metrics").body.decode()
        burst = subprocess.run(
            [str(installed / "sluice"), "demo", "--url", url, "--alerts", "30", "--workloads", "5"],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert burst.returncode == 0, burst.stdout + burst.stderr
    finally:
        process.stop()
    assert not UNWANTED.search(process.log_file.read_text()), process.log_file.read_text()


def _is_ready(process: ServerProcess) -> bool:
    shown = process.log_file.read_text()
    assert process.pid or "Logs follow" in shown, shown
    return "Logs follow" in shown


@pytest.mark.parametrize("name", FUNCTIONS)
def test_installed_function_starts(installed: Path, tmp_path: Path, name: str) -> None:
    """By functions-framework, as in production."""
    (source,) = installed.parent.glob(f"lib/python*/site-packages/functions/{name}.py")
    command = (str(installed / "functions-framework"), "--asgi", "--source", str(source), "--target", name)
    with FunctionProcess(folder=tmp_path, environment=NO_CLUSTER, command=command) as function:
        assert function.url


@pytest.mark.parametrize("python", pythons())
def test_locked_versions_have_wheels_for_each_python_that_the_package_is_for(python: str, tmp_path: Path) -> None:
    resolve = [
        str(SCRIPTS / "uv"),
        "pip",
        "install",
        "--dry-run",
        "--target",
        str(tmp_path),
        "--python-version",
        python,
    ]
    lock = str(ROOT / "requirements-dev.txt")  # with all that a deployment has
    run([*resolve, "--only-binary", ":all:", "--require-hashes", "-r", lock], folder=tmp_path)

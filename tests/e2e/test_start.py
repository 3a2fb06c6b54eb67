"""The function starts from anywhere, by each of the commands that platforms use, or says in one sentence why not."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest

from tests.e2e.function import ROOT, SCRIPTS, SOURCE, FunctionProcess, alert, process_environment
from tests.support.waiting import HANGS_AFTER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import StartFunction
    from tests.support.cluster import Cluster

# `-S` leaves out the environment's .pth files, and with them the checkout that they add.
BARE_PYTHON = [sys.executable, "-S", "-P"]
SITE_PACKAGES = sysconfig.get_path("purelib")


def test_function_outside_the_checkout_stores_an_alert(start_function: StartFunction, cluster: Cluster) -> None:
    function = start_function()

    answer = function.post(alert("web-1"))

    assert answer.status == 201, answer.body
    (rr,) = cluster.rrs()
    assert rr["spec"]["targetResource"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "web-1",
        "namespace": "prod",
    }
    assert rr["metadata"]["name"] == answer.json["results"][0]["remediationRequestName"]
    assert function.stop() == 0


def test_deployed_folders_alone_are_enough(start_function: StartFunction, tmp_path: Path) -> None:
    source = _deploy(tmp_path / "workspace")
    said = _run_python("import core", cwd=tmp_path, environment={"PYTHONPATH": SITE_PACKAGES})
    assert said.endswith("No module named 'core'\n")

    # Google's buildpack gives target and source in the environment, and no --asgi.
    function = start_function(
        command=[*BARE_PYTHON, "-m", "functions_framework"],
        PYTHONPATH=SITE_PACKAGES,
        FUNCTION_SOURCE=str(source),
        FUNCTION_TARGET="alertmanager",
    )

    assert function.post(alert("web-1")).status == 201


def test_gunicorn_runs_the_function_without_its_command_line(start_function: StartFunction) -> None:
    gunicorn = [str(SCRIPTS / "gunicorn"), "--bind=127.0.0.1:0", "--workers=2", "--no-control-socket"]

    function = start_function(
        command=[*gunicorn, "--worker-class=uvicorn_worker.UvicornWorker", "functions_framework.aio:app"],
        FUNCTION_SOURCE=str(SOURCE),
        FUNCTION_TARGET="alertmanager",
    )

    assert function.post(alert("web-1")).status == 201


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("SLUICE_READS", "sometimes", "'fenced' or 'consistent'"),
        ("SLUICE_MAX_CONCURRENT", "many", "valid integer"),
        ("SLUICE_NAMESPACE", "Not_A_Name", "should match pattern"),
    ],
)
def test_wrong_setting_stops_the_start(tmp_path: Path, name: str, value: str, remedy: str, workers: str) -> None:
    environment = {"WORKERS": workers, name: value}

    sentence = _refusal(tmp_path, environment)

    assert sentence.startswith(f"sluice: {name}={value!r} cannot work: ")
    assert remedy in sentence


@pytest.mark.parametrize("environment", [{}, {"KUBECONFIG": "/nowhere/config"}])
def test_start_without_a_cluster_is_stopped(tmp_path: Path, environment: dict[str, str]) -> None:
    sentence = _refusal(tmp_path, environment)

    assert sentence.startswith("sluice: no Kubernetes API is configured: set KUBECONFIG")


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has open is in Linux's /proc")
def test_import_makes_no_loop_no_client_and_no_thread(gateway_environment: dict[str, str], tmp_path: Path) -> None:
    imports = (
        "import os, threading\n"
        "from functions_framework.aio import create_asgi_app\n"
        f"create_asgi_app('alertmanager', {str(SOURCE)!r}, 'http')\n"
        "links = [f'/proc/self/fd/{number}' for number in os.listdir('/proc/self/fd')]\n"
        "files = [os.readlink(link) for link in links if os.path.lexists(link)]\n"
        "print([file for file in files if file.startswith(('socket:', 'anon_inode:'))])\n"
        "print(threading.active_count())\n"
    )

    said = _run_python(imports, cwd=tmp_path, environment=gateway_environment, python=[sys.executable])

    assert said.split("\n") == ["[]", "1", ""]


def _refusal(folder: Path, environment: dict[str, str]) -> str:
    function = FunctionProcess(folder=folder, environment=environment)
    assert function.run_to_its_end() == 1
    (sentence,) = function.log.splitlines()
    return sentence


def _deploy(workspace: Path) -> Path:
    """Copy what serverless.yaml packages; return the source file there."""
    for name in ("core", "functions"):
        shutil.copytree(ROOT / name, workspace / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
    shutil.copy(ROOT / "requirements.txt", workspace)
    return workspace / "functions" / "alertmanager.py"


def _run_python(code: str, *, cwd: Path, environment: dict[str, str], python: list[str] = BARE_PYTHON) -> str:
    """What Python says."""
    done = subprocess.run(
        [*python, "-c", code],
        cwd=cwd,
        env=process_environment(cwd) | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=HANGS_AFTER,
    )
    return done.stdout

"""Helm installs, upgrades, takes back and removes a release on a real API server with Knative's definitions."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.apiserver import KubeApiserver
from tests.knative.programs import definition_folders, kubectl
from tests.manifests.building import ROOT
from tests.manifests.helm import CHART, helm
from tests.manifests.test_applying import new_kubectl, wait_until_established
from tests.support.pages import PAGES, fences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.apiserver import Binaries

NAMESPACE = ("--namespace", "sluice-system")
DEFINITION = "remediationrequests.remediation.kubernaut.ai"


@pytest.fixture(scope="module")
def config(kube_apiserver_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("installing")
    with KubeApiserver(binaries=kube_apiserver_binaries) as server:
        yield server.write_kubeconfig(folder / "kubeconfig")


@pytest.fixture
def ask(config: Path, tmp_path: Path) -> Callable[..., Any]:
    """Asks kubectl for JSON."""
    run = new_kubectl(config, tmp_path)

    def ask(*arguments: str) -> Any:
        done = run(*arguments, "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def mark(service: Any) -> str:
    return str(service["spec"]["template"]["metadata"]["annotations"]["sluice.kubernaut.ai/settings"])


def test_release_is_installed_changed_taken_back_and_removed(
    config: Path, ask: Callable[..., Any], tmp_path: Path
) -> None:
    run = new_kubectl(config, tmp_path)
    for definitions in definition_folders():
        assert run("apply", "--server-side", "-f", str(definitions)).returncode == 0
    wait_until_established(run)

    def release(*arguments: str) -> None:
        environment = os.environ | {"KUBECONFIG": str(config), "HOME": str(tmp_path)}
        done = subprocess.run([str(helm()), *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def service() -> Any:
        return ask("get", "ksvc", "sluice-alertmanager", *NAMESPACE)

    production = str(CHART / "values-production.yaml")
    release("install", "sluice", str(CHART), *NAMESPACE, "--create-namespace", "--values", production)
    installed = service()
    assert installed["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] == "2"
    assert ask("get", "resourcequota", "sluice", *NAMESPACE)["spec"]["hard"]

    change = ("--reset-then-reuse-values", "--set", "settings.SLUICE_CLUSTER=east")
    release("upgrade", "sluice", str(CHART), *NAMESPACE, *change)
    assert ask("get", "configmap", "sluice", *NAMESPACE)["data"]["SLUICE_CLUSTER"] == "east"
    assert mark(service()) != mark(installed)

    release("rollback", "sluice", "1", *NAMESPACE)
    assert mark(service()) == mark(installed)

    release("uninstall", "sluice", *NAMESPACE)
    assert ask("get", "ksvc", *NAMESPACE)["items"] == []
    assert ask("get", "crd", DEFINITION)["metadata"]["name"] == DEFINITION  # and with it every RR


def test_kubeconfig_of_the_plain_container_may_do_what_a_function_does(config: Path, tmp_path: Path) -> None:
    (page,) = [page for page in PAGES if page.name == "plain-container.md"]
    (making,) = [fence for fence in fences(page, "") if "create token" in fence]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").symlink_to(kubectl())
    environment = os.environ | {"KUBECONFIG": str(config), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def paste(code: str) -> str:
        command = ["bash", "-ec", code]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    paste(f"kubectl apply --server-side -k {ROOT / 'cluster'}")
    paste(making)

    asked = f"kubectl --kubeconfig=sluice.kubeconfig auth can-i {{}} {DEFINITION} -n sluice-system"
    assert paste(asked.format("create")) == "yes\n"
    assert "no\n" in paste(f"{asked.format('delete')} || true")

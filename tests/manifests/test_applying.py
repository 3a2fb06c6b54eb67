"""`kubectl apply -k` on a real API server with Knative's definitions: dry, then for real, then once more."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.alertmanager_binary import find_alertmanager
from tests.knative.programs import definition_folders, kubectl, prometheus_operator_definitions
from tests.manifests.building import FOLDERS, ROOT, objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.apiserver import Binaries

    Kubectl = Callable[..., subprocess.CompletedProcess[str]]

from tests.apiserver import KubeApiserver


@pytest.fixture(scope="module")
def server(kube_apiserver_binaries: Binaries) -> Iterator[KubeApiserver]:
    with KubeApiserver(binaries=kube_apiserver_binaries) as server:
        yield server


@pytest.fixture(scope="module")
def run(server: KubeApiserver, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    folder: Path = tmp_path_factory.mktemp("kubectl")
    config = server.write_kubeconfig(folder / "kubeconfig")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(kubectl()), f"--kubeconfig={config}", f"--cache-dir={folder}", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    for definitions in definition_folders():
        applied = run("apply", "--server-side", "-f", str(definitions))
        assert applied.returncode == 0, applied.stderr
    waited = run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    assert waited.returncode == 0, waited.stderr
    return run


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_manifest_is_taken_dry_then_for_real_then_unchanged(run: Kubectl, folder: str) -> None:
    # Objects cannot be tried dry in a namespace that is not there, nor of a kind that is not.
    for first in ("namespace.yaml", "crd.yaml"):
        assert run("apply", "--server-side", "-f", str(ROOT / "cluster" / first)).returncode == 0
    assert run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s").returncode == 0
    apply = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-k", str(ROOT / folder))

    dry = run(*apply, "--dry-run=server")
    applied = run(*apply)
    again = run("diff", "--server-side", "--force-conflicts", "-k", str(ROOT / folder))

    assert (dry.returncode, dry.stderr) == (0, "")
    assert (applied.returncode, applied.stderr) == (0, "")
    assert len(applied.stdout.splitlines()) == len(objects(folder))
    assert (again.returncode, again.stdout) == (0, ""), again.stderr


def test_new_cluster_takes_everything_in_one_go(kube_apiserver_binaries: Binaries, tmp_path: Path) -> None:
    """As the README says it, with client-side apply: the CRD and the namespace come first in kustomize's order."""
    with KubeApiserver(binaries=kube_apiserver_binaries) as server:
        config = server.write_kubeconfig(tmp_path / "kubeconfig")
        base = [str(kubectl()), f"--kubeconfig={config}", f"--cache-dir={tmp_path}"]
        for definitions in definition_folders():
            subprocess.run([*base, "apply", "--server-side", "-f", str(definitions)], check=True, capture_output=True)
        subprocess.run(
            [*base, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"],
            check=True,
            capture_output=True,
        )
        applied = subprocess.run(
            [*base, "apply", "-k", str(ROOT / "base")], capture_output=True, text=True, check=False
        )
        assert (applied.returncode, applied.stderr) == (0, "")


def test_misspelt_field_is_refused(run: Kubectl, tmp_path: Path) -> None:
    text = (ROOT / "cluster" / "flow-control.yaml").read_text().replace("matchingPrecedence", "matchingPrecedense")
    (tmp_path / "broken.yaml").write_text(text)
    refused = run(
        "apply", "--server-side", "--validate=strict", "--dry-run=server", "-f", str(tmp_path / "broken.yaml")
    )
    assert refused.returncode == 1
    assert "matchingPrecedense" in refused.stderr


def test_examples_are_taken(run: Kubectl) -> None:
    for definition in prometheus_operator_definitions():
        assert run("apply", "--server-side", "-f", str(definition)).returncode == 0
    assert run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s").returncode == 0
    run("create", "namespace", "monitoring")
    assert run("apply", "--server-side", "-k", str(ROOT / "cluster")).returncode == 0
    examples = sorted((ROOT / "examples").glob("*.yaml"))
    for example in examples:
        applied = run("apply", "--server-side", "--validate=strict", "-f", str(example))
        assert (applied.returncode, applied.stderr) == (0, "")
    assert len(examples) == 3


def test_example_of_alertmanagers_own_file_is_one_it_takes() -> None:
    alertmanager = find_alertmanager()
    checked = subprocess.run(
        [str(alertmanager.path.with_name("amtool")), "check-config", str(ROOT / "examples" / "alertmanager.yml")],
        cwd=alertmanager.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "SUCCESS" in checked.stdout

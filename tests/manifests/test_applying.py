"""`kubectl apply -k` on a real API server with Knative's definitions: dry, then for real, then once more."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.apiserver.rest import is_established
from tests.knative.programs import definition_folders, kubectl, prometheus_operator_definitions
from tests.manifests.building import FOLDERS, ROOT, objects
from tests.support.waiting import HANGS_AFTER, wait_for

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
    run = new_kubectl(server.write_kubeconfig(folder / "kubeconfig"), folder)
    for definitions in definition_folders():
        applied = run("apply", "--server-side", "-f", str(definitions))
        assert applied.returncode == 0, applied.stderr
    wait_until_established(run)
    return run


def new_kubectl(config: Path, folder: Path) -> Kubectl:
    """`folder` is for what it remembers of the API server."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(kubectl()), f"--kubeconfig={config}", f"--cache-dir={folder}", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def wait_until_established(run: Kubectl) -> None:
    """`kubectl wait` fails at once on a definition that has no conditions yet, as each has for a moment."""

    def are_established() -> bool:
        listed = run("get", "crd", "-o", "json")
        assert listed.returncode == 0, listed.stderr
        return all(is_established(crd) for crd in json.loads(listed.stdout)["items"])

    wait_for(are_established, what="all definitions to be established", within=HANGS_AFTER)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, False),
        ({"status": {"conditions": None}}, False),
        ({"status": {"conditions": [{"type": "Established", "status": "False"}]}}, False),
        ({"status": {"conditions": [{"type": "NamesAccepted", "status": "True"}]}}, False),
        ({"status": {"conditions": [{"type": "Established", "status": "True"}]}}, True),
    ],
)
def test_definition_without_conditions_is_waited_for(status: Any, expected: bool) -> None:
    answers = [
        {"items": [status]},
        {"items": [{"status": {"conditions": [{"type": "Established", "status": "True"}]}}]},
    ]
    asked = 0

    def kubectl_that_is_early(*_: str) -> subprocess.CompletedProcess[str]:
        nonlocal asked
        asked += 1
        return subprocess.CompletedProcess([], 0, json.dumps(answers[min(asked, 2) - 1]), "")

    wait_until_established(kubectl_that_is_early)
    assert asked == (1 if expected else 2)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_manifest_is_taken_dry_then_for_real_then_unchanged(run: Kubectl, folder: str) -> None:
    # Objects cannot be tried dry in a namespace that is not there, nor of a kind that is not.
    for first in ("namespace.yaml", "crd.yaml"):
        assert run("apply", "--server-side", "-f", str(ROOT / "cluster" / first)).returncode == 0
    wait_until_established(run)
    apply = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-k", str(ROOT / folder))

    dry = run(*apply, "--dry-run=server")
    applied = run(*apply)
    again = run("diff", "--server-side", "--force-conflicts", "-k", str(ROOT / folder))

    assert (dry.returncode, dry.stderr) == (0, "")
    assert (applied.returncode, applied.stderr) == (0, "")
    assert len(applied.stdout.splitlines()) == len(objects(folder))
    assert (again.returncode, again.stdout) == (0, ""), again.stderr


def test_new_cluster_takes_everything_in_one_go(kube_apiserver_binaries: Binaries, tmp_path: Path) -> None:
    """As docs/deploy.md says it, with client-side apply: the CRD and the namespace come first in kustomize's order."""
    with KubeApiserver(binaries=kube_apiserver_binaries) as server:
        config = server.write_kubeconfig(tmp_path / "kubeconfig")
        run = new_kubectl(config, tmp_path)
        for definitions in definition_folders():
            assert run("apply", "--server-side", "-f", str(definitions)).returncode == 0
        wait_until_established(run)
        applied = run("apply", "-k", str(ROOT / "base"))
        assert (applied.returncode, applied.stderr) == (0, "")


def test_all_definitions_are_among_what_the_clusters_administrator_applies() -> None:
    defined = {each["metadata"]["name"] for each in objects("cluster") if each["kind"] == "CustomResourceDefinition"}
    assert defined == {"remediationrequests.remediation.kubernaut.ai", "deadletters.sluice.kubernaut.ai"}


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
    wait_until_established(run)
    run("create", "namespace", "monitoring")
    assert run("apply", "--server-side", "-k", str(ROOT / "cluster")).returncode == 0
    examples = sorted((ROOT / "examples").rglob("*.yaml"))
    for example in examples:
        applied = run("apply", "--server-side", "--validate=strict", "-f", str(example))
        assert (applied.returncode, applied.stderr) == (0, "")
    assert {"sender.yaml", "consumer.yaml", "cronjob.yaml"} < {each.name for each in examples}
    watching = run("apply", "--server-side", "--validate=strict", "-k", str(ROOT / "monitoring"))
    assert (watching.returncode, watching.stderr, len(watching.stdout.splitlines())) == (0, "", 3)

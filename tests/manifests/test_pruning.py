"""The CronJob of the examples: taken by kubectl, and its command run with its account on the real kube-apiserver."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner

from core.common.text import parse_rfc3339
from core.local import commands
from core.protocol import pruning
from tests.apiserver import KubeApiserver
from tests.contract.objects import remediation_request
from tests.manifests.building import ROOT
from tests.manifests.test_applying import new_kubectl, wait_until_established

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.apiserver import Binaries

EXAMPLE = ROOT / "examples" / "prune" / "cronjob.yaml"
RRS = "/apis/remediation.kubernaut.ai/v1alpha1/namespaces/sluice-system/remediationrequests"
ACCOUNT = "system:serviceaccount:sluice-system:sluice-prune"
MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def server(kube_apiserver_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApiserver]:
    with KubeApiserver(binaries=kube_apiserver_binaries) as server:
        folder = tmp_path_factory.mktemp("prune")
        kubectl = new_kubectl(server.write_kubeconfig(folder / "admin"), folder)
        for part in ("namespace.yaml", "crd.yaml"):
            assert kubectl("apply", "--server-side", "-f", str(ROOT / "cluster" / part)).returncode == 0
        wait_until_established(kubectl)
        applied = kubectl("apply", "--server-side", "--validate=strict", "-f", str(EXAMPLE))
        assert (applied.returncode, applied.stderr) == (0, "")
        yield server


@pytest.fixture
def kubeconfig(server: KubeApiserver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of the CronJob's account: nothing of the admin's is left to the command."""
    account = "/api/v1/namespaces/sluice-system/serviceaccounts/sluice-prune/token"
    token = server.request("POST", account, {"spec": {}}).body["status"]["token"]
    path = server.write_kubeconfig(tmp_path / "kubeconfig", token=token, namespace="sluice-system")
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("SLUICE_NAMESPACE", raising=False)
    return path


def make(server: KubeApiserver, name: str, **status: Any) -> None:
    assert server.request("POST", RRS, remediation_request(name)).status == 201
    if status:
        patched = server.request("PATCH", f"{RRS}/{name}/status", {"status": status}, content_type=MERGE)
        assert patched.status == 200


def names(server: KubeApiserver) -> list[str]:
    return [each["metadata"]["name"] for each in server.request("GET", RRS).body["items"]]


def command_of_the_job(*more: str) -> list[str]:
    (job,) = [each for each in yaml.safe_load_all(EXAMPLE.read_text()) if each["kind"] == "CronJob"]
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return [*container["args"], *more]


def test_job_deletes_what_is_over_page_by_page(
    server: KubeApiserver, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_PAGE", 2)
    make(server, "rr-at-work")
    make(server, "rr-cooling-down", overallPhase="Failed", nextAllowedExecution="2999-01-01T00:00:00Z")
    make(server, "rr-for-people", overallPhase="Failed", outcome="ManualReviewRequired")
    for number in range(5):
        make(server, f"rr-over-{number}", overallPhase="Completed")

    young = CliRunner().invoke(commands.app, command_of_the_job("-o", "json"))
    assert (young.exit_code, json.loads(young.stdout)["remediationRequests"]) == (0, [])
    assert len(names(server)) == 8

    old = CliRunner().invoke(commands.app, command_of_the_job("-o", "name", "--older-than", "0s"))
    assert (old.exit_code, old.stderr) == (0, "")
    assert old.stdout.splitlines() == [
        f"remediationrequest.remediation.kubernaut.ai/rr-over-{number}" for number in range(5)
    ]
    assert names(server) == ["rr-at-work", "rr-cooling-down", "rr-for-people"]


def test_age_counts_from_the_phase_and_not_from_other_writes(server: KubeApiserver, kubeconfig: Path) -> None:
    make(server, "rr-touched", overallPhase="Completed")
    (found,) = [each for each in server.request("GET", RRS).body["items"] if each["metadata"]["name"] == "rr-touched"]
    fields = [sorted(entry["fieldsV1"].get("f:status") or {}) for entry in found["metadata"]["managedFields"]]
    assert ["f:overallPhase"] in fields  # what `prune` looks for, as the API server writes it
    of_phase = next(each for each in found["metadata"]["managedFields"] if "f:status" in each["fieldsV1"])
    of_phase["time"] = "2026-01-01T00:00:00Z"
    now = parse_rfc3339("2026-01-02T00:00:00Z")
    assert pruning._ended_for(found, now, cooldown=86_400) == 86_400
    assert pruning._ended_for(found, now, cooldown=86_401) == -1  # it still takes signals
    server.request("DELETE", f"{RRS}/rr-touched")


@pytest.mark.parametrize("verb", ["list", "delete"])
@pytest.mark.parametrize("resource", ["remediationrequests", "leases"])
def test_job_may_do_nothing_else(server: KubeApiserver, tmp_path: Path, verb: str, resource: str) -> None:
    kubectl = new_kubectl(server.write_kubeconfig(tmp_path / "admin"), tmp_path)

    def may(*what: str) -> bool:
        return kubectl("auth", "can-i", *what, f"--as={ACCOUNT}").stdout.strip() == "yes"

    assert may(verb, resource, "--namespace=sluice-system")
    assert not may(verb, resource, "--namespace=default")
    assert not any(may(other, resource, "--namespace=sluice-system") for other in ("get", "create", "update", "patch"))

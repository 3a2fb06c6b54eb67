"""What `kubectl get rr` shows, by the real kube-apiserver and the real kubectl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.apiserver import KubeApiserver
from tests.contract.objects import remediation_request
from tests.manifests.building import ROOT
from tests.manifests.test_applying import new_kubectl, wait_until_established

if TYPE_CHECKING:
    from pathlib import Path

    from tests.apiserver import Binaries

RRS = "/apis/remediation.kubernaut.ai/v1alpha1/namespaces/sluice-system/remediationrequests"
MERGE = "application/merge-patch+json"


def test_kubectl_shows_target_and_count_of_an_rr(kube_apiserver_binaries: Binaries, tmp_path: Path) -> None:
    with KubeApiserver(binaries=kube_apiserver_binaries) as server:
        kubectl = new_kubectl(server.write_kubeconfig(tmp_path / "admin"), tmp_path)
        for part in ("namespace.yaml", "crd.yaml"):
            assert kubectl("apply", "--server-side", "-f", str(ROOT / "cluster" / part)).returncode == 0
        wait_until_established(kubectl)
        new, counted = remediation_request("rr-1"), remediation_request("rr-2")
        for each in (new, counted):
            assert server.request("POST", RRS, each).status == 201
        status = {"status": {"overallPhase": "Pending", "deduplication": {"occurrenceCount": 7}}}
        assert server.request("PATCH", f"{RRS}/rr-2/status", status, content_type=MERGE).status == 200

        shown = kubectl("get", "rr", "-n", "sluice-system")

        heads, first, second = shown.stdout.splitlines()
        assert heads.split() == ["NAME", "PHASE", "TARGET", "COUNT", "OUTCOME", "ALERT", "AGE"]
        target, alert = new["spec"]["targetResource"]["name"], new["spec"]["signalName"]
        # Nobody has written its status: the definition's default says what counts (SLUICE_FIRST_COUNT=implied).
        assert first.split()[:-1] == ["rr-1", target, "1", alert]
        assert second.split()[:-1] == ["rr-2", "Pending", target, "7", alert]

"""What a person sees who asks `kubectl describe` about a new RR."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import yaml

from tests.e2e.function import alert
from tests.knative.programs import kubectl
from tests.manifests.building import ROOT
from tests.support.cluster import GATEWAY, GATEWAY_RULES, GROUP
from tests.support.waiting import HANGS_AFTER, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import StartFunction
    from tests.support.cluster import Cluster

RIGHT = ROOT / "components" / "rr-events" / "rbac.yaml"


def _may_write_events(cluster: Cluster) -> bool:
    attributes = {"namespace": cluster.namespace, "verb": "create", "resource": "events"}
    account = f"system:serviceaccount:{cluster.namespace}:{GATEWAY}"
    review = {"spec": {"user": account, "resourceAttributes": attributes}}
    answer = cluster.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer.body["status"]["allowed"])


def test_kubectl_describe_tells_which_alert_opened_an_rr(
    start_function: StartFunction, cluster: Cluster, tmp_path: Path
) -> None:
    rules = next(each["rules"] for each in yaml.safe_load_all(RIGHT.read_text()) if each["kind"] == "Role")
    cluster.set_rules(GATEWAY, [*GATEWAY_RULES, *rules])
    wait_for(lambda: _may_write_events(cluster), what="the rule to be heeded", within=10.0)
    # It has as long as a call to the API server, beside all else that this machine does.
    function = start_function(SLUICE_RR_EVENTS="write", SLUICE_OWNERS="as-named", SLUICE_API_TIMEOUT="60")
    assert function.post(alert("web-1")).status == 201
    (rr,) = cluster.rrs()
    name = rr["metadata"]["name"]

    admin = cluster.server.write_kubeconfig(tmp_path / "admin")

    def described() -> str:
        command = [str(kubectl()), "describe", f"remediationrequests.{GROUP}", name, "-n", cluster.namespace]
        environment = {"KUBECONFIG": str(admin), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        return told.stdout.partition("\nEvents:")[2]

    wait_for(lambda: "Created" in described(), what="the Event", within=HANGS_AFTER)
    told = described()
    assert "Normal" in told
    assert "sluice" in told
    assert "about Pod prod/web-1, found by pod (pod)" in told

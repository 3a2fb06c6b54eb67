"""The consumer of the examples, as a process with its own account on a real kube-apiserver."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yaml

from core.results import Status
from core.signals.signal import TargetResource
from tests.contract.client import Real
from tests.contract.gateways import Instance
from tests.contract.objects import remediation_request
from tests.support.cluster import GROUP, Cluster
from tests.support.instances import signal
from tests.support.waiting import HANGS_AFTER, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.apiserver import KubeApiserver

EXAMPLE = Path(__file__).parents[2] / "knative" / "examples" / "consumer"
RULES = {
    each["kind"]: each["rules"]
    for each in yaml.safe_load_all((EXAMPLE / "consumer.yaml").read_text())
    if "rules" in each
}
WORKLOAD = "payment-api"
OWNED = {"gateway.kubernaut.ai/owner": f"Deployment/{WORKLOAD}"}


class Consuming:
    """A namespace with a workload, and the consumer that watches it."""

    process: subprocess.Popen[bytes]

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._folder = folder
        self.log = folder / "log"
        self.cluster = cluster
        self.namespace = cluster.namespace
        self._deployments = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        self._rrs = f"/apis/{GROUP}/v1alpha1/namespaces/{self.namespace}/remediationrequests"

    def make_workload(self) -> None:
        labels = {"app": WORKLOAD}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app"}]}}
        spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        self.cluster.call("POST", self._deployments, {"metadata": {"name": WORKLOAD}, "spec": spec})

    def workload(self) -> Any:
        return self.cluster.call("GET", f"{self._deployments}/{WORKLOAD}").body

    def restart_for(self, name: str) -> None:
        annotations = {"sluice.kubernaut.ai/restarted-for": name}
        self.patch(
            f"{self._deployments}/{WORKLOAD}", {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        )

    def roll_out(self) -> None:
        """Say that all replicas are new, as the controller does that this server has not."""
        generation = self.workload()["metadata"]["generation"]
        state = {
            "observedGeneration": generation,
            "replicas": 2,
            "updatedReplicas": 2,
            "availableReplicas": 2,
            "readyReplicas": 2,
        }
        self.patch(f"{self._deployments}/{WORKLOAD}/status", {"status": state})

    def make_rr(self, name: str, *, kind: str = "Pod", annotations: dict[str, str] = OWNED, status: Any = None) -> None:
        body = remediation_request(name)
        body["metadata"]["annotations"] = annotations
        body["spec"]["targetResource"] = {"kind": kind, "name": f"{WORKLOAD}-1", "namespace": self.namespace}
        self.cluster.call("POST", self._rrs, body)
        if status:
            self.patch(f"{self._rrs}/{name}/status", {"status": status})

    def status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.cluster.call("GET", f"{self._rrs}/{name}").body.get("status", {})
        return status

    def wait_for_phase(self, name: str, phase: str) -> dict[str, Any]:
        def reached() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self.status(name).get("overallPhase") == phase

        wait_for(reached, what=f"{name} to be {phase}", within=HANGS_AFTER)
        return self.status(name)

    def patch(self, path: str, body: Any) -> None:
        self.cluster.call("PATCH", path, body, content_type="application/merge-patch+json")

    def start(self, **settings: str) -> None:
        token = self.cluster.add_account("consumer", RULES["Role"])
        role = f"{self.namespace}-consumer"
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        self.cluster.call("POST", f"{rbac}/clusterroles", {"metadata": {"name": role}, "rules": RULES["ClusterRole"]})
        subject = {"kind": "ServiceAccount", "name": "consumer", "namespace": self.namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        binding = {"metadata": {"name": role}, "roleRef": reference, "subjects": [subject]}
        self.cluster.call("POST", f"{rbac}/clusterrolebindings", binding)
        config = self.cluster.write_kubeconfig(self._folder / "kubeconfig", token=token)
        command = [sys.executable, "-m", "kopf", "run", "--standalone", "--namespace", self.namespace]
        settings |= {
            "KUBECONFIG": str(config),
            "PATH": os.defpath,
            "HOME": str(self._folder),
            "INTERVAL_SECONDS": "0.1",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, str(EXAMPLE / "consumer.py")], env=settings, stdout=log, stderr=subprocess.STDOUT
            )


@pytest.fixture
def consuming(kube_apiserver: KubeApiserver, tmp_path: Path) -> Iterator[Consuming]:
    made = Consuming(Cluster(kube_apiserver), tmp_path)
    made.make_workload()
    yield made
    made.process.kill()
    made.process.wait()


async def test_two_alerts_that_race_restart_their_workload_once(
    kube_apiserver: KubeApiserver, consuming: Consuming
) -> None:
    consuming.start(DRY_RUN="no")
    async with aiohttp.ClientSession() as session:
        server = Real(kube_apiserver, session)
        # The workload stands in the gateway's own namespace, for the test has only this one.
        instances = [Instance(server, consuming.namespace, own_namespace="take") for _ in range(2)]
        alert = replace(
            signal(WORKLOAD), target=TargetResource(kind="Deployment", name=WORKLOAD, namespace=consuming.namespace)
        )
        results = await asyncio.gather(*(instance.post(alert) for instance in instances))
        assert sorted(result.status for (result,) in results) == [Status.CREATED, Status.DEDUPLICATED]
        (name,) = {result.rr_name for (result,) in results}

        await asyncio.to_thread(consuming.wait_for_phase, name, "Verifying")
        restarted = consuming.workload()
        assert restarted["metadata"]["generation"] == 2
        assert restarted["spec"]["template"]["metadata"]["annotations"] == {"sluice.kubernaut.ai/restarted-for": name}
        (late,) = await instances[0].post(alert)
        assert (late.status, late.rr_name) == (Status.DEDUPLICATED, name)

        consuming.roll_out()
        done = await asyncio.to_thread(consuming.wait_for_phase, name, "Completed")
        assert done["outcome"] == "Remediated"
        assert done["deduplication"]["occurrenceCount"] == 3
        assert consuming.workload()["metadata"]["generation"] == 2

        (again,) = await instances[1].post(alert)
        assert again.status is Status.CREATED
        for instance in instances:
            await instance.gateway.close()


def test_workload_is_the_owner_that_sluice_found(consuming: Consuming) -> None:
    consuming.make_rr("rr-of-a-pod")
    consuming.start(DRY_RUN="no")
    consuming.wait_for_phase("rr-of-a-pod", "Verifying")
    assert consuming.workload()["metadata"]["generation"] == 2


def test_remedy_that_was_done_and_not_written_down_is_not_done_again(consuming: Consuming) -> None:
    consuming.make_rr("rr-half-done", status={"overallPhase": "Executing"})
    consuming.restart_for("rr-half-done")
    consuming.start(DRY_RUN="no")
    consuming.wait_for_phase("rr-half-done", "Verifying")
    assert consuming.workload()["metadata"]["generation"] == 2


def test_without_being_told_otherwise_it_restarts_nothing(consuming: Consuming) -> None:
    consuming.make_rr("rr-dry")
    consuming.start()
    status = consuming.wait_for_phase("rr-dry", "Completed")
    assert status["outcome"] == "DryRun"
    assert datetime.fromisoformat(status["nextAllowedExecution"]) > datetime.now(UTC)
    assert consuming.workload()["metadata"]["generation"] == 1


def test_resolved_alerts_need_no_remedy(consuming: Consuming) -> None:
    resolved = {
        "type": "SignalResolved",
        "status": "True",
        "reason": "AllResolved",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    consuming.make_rr("rr-resolved", status={"conditions": [resolved]})
    consuming.start(DRY_RUN="no")
    status = consuming.wait_for_phase("rr-resolved", "Skipped")
    assert status["message"] == "the alerts are resolved"
    assert consuming.workload()["metadata"]["generation"] == 1


def test_workload_that_does_not_come_up_lets_no_other_rr_be_opened_for_a_while(
    consuming: Consuming,
) -> None:
    consuming.make_rr("rr-stuck")
    consuming.start(DRY_RUN="no", PATIENCE_SECONDS="0.3")
    status = consuming.wait_for_phase("rr-stuck", "Failed")
    assert status["message"] == f"Deployment/{WORKLOAD} did not come up"
    assert datetime.fromisoformat(status["nextAllowedExecution"]) > datetime.now(UTC)


def test_what_it_cannot_remedy_is_left_to_people(consuming: Consuming) -> None:
    consuming.make_rr("rr-of-a-bare-pod", annotations={})
    consuming.start(DRY_RUN="no")
    status = consuming.wait_for_phase("rr-of-a-bare-pod", "Failed")
    assert status["outcome"] == "ManualReviewRequired"


def test_workload_that_is_gone_ends_the_rr(consuming: Consuming) -> None:
    consuming.make_rr("rr-of-nothing", annotations={"gateway.kubernaut.ai/owner": "Deployment/gone"})
    consuming.start(DRY_RUN="no")
    assert consuming.wait_for_phase("rr-of-nothing", "Failed")["message"] == "the workload is gone"

"""Sluice on the machine: deployed as README says, sent to as Alertmanager does, judged by its RRs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.machine import SETTLES_WITHIN, Machine, apply, wait_until_served

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "knative" / "base"
QUICK_TO_REST = Path(__file__).parent / "sluice"
NAMESPACE = "sluice-system"
ALERTMANAGER, KUBERNETES_EVENT = "sluice-alertmanager", "sluice-kubernetes-event"
SIGNALS = "/api/v1/signals/prometheus"
_RRS = "/apis/remediation.kubernaut.ai/v1alpha1/remediationrequests"


@dataclass(frozen=True, kw_only=True)
class Pods:
    """Of one Knative Service: all that are there, those not being deleted, and those that are ready."""

    all: int
    alive: int
    ready: int


def deploy(machine: Machine, manifests: Path) -> None:
    """Apply a kustomization and the example of a sender; returns when the alertmanager function could start."""
    machine.kubectl("create", "namespace", "monitoring")
    machine.kubectl("-n", "monitoring", "create", "serviceaccount", "alertmanager")
    apply(machine, manifests, kustomize=True)
    apply(machine, ROOT / "knative" / "examples" / "sender.yaml")
    wait_until_served(machine)
    timeout = f"--timeout={SETTLES_WITHIN:.0f}s"
    machine.kubectl("-n", NAMESPACE, "wait", "--for=condition=ready", timeout, "services.serving.knative.dev", "--all")


def wait_for_events(machine: Machine) -> None:
    """Return when Events reach the function: source, Broker and Trigger are ready."""
    for kind in ("broker", "trigger", "apiserversource"):
        machine.kubectl(
            "-n", NAMESPACE, "wait", "--for=condition=ready", f"--timeout={SETTLES_WITHIN:.0f}s", kind, "--all"
        )


def adapter_follows(machine: Machine, namespaces: Iterable[str]) -> bool:
    """Whether one adapter of the source runs, and was started with these namespaces."""
    selector = "labelSelector=eventing.knative.dev%2Fsource=apiserver-source-controller"
    pods = machine.get(f"/api/v1/namespaces/{NAMESPACE}/pods?{selector}")["items"]
    return len(pods) == 1 and is_ready(pods[0]) and all(each in str(pods[0]["spec"]) for each in namespaces)


def host_of(service: str) -> str:
    """The name that senders in the cluster use."""
    return f"{service}.{NAMESPACE}.svc.cluster.local"


def pods_of(machine: Machine, service: str) -> Pods:
    """How many there are now."""
    found = machine.get(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=serving.knative.dev/service={service}")
    pods = found["items"]
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return Pods(all=len(pods), alive=len(alive), ready=sum(map(is_ready, alive)))


def remediation_requests(machine: Machine, *, namespace: str) -> list[Any]:
    """The RRs about workloads in `namespace`."""
    return [each for each in machine.get(_RRS)["items"] if _target(each).get("namespace") == namespace]


def occurrences(rrs: list[Any]) -> int:
    """What the RRs have counted together."""
    return sum(each.get("status", {}).get("deduplication", {}).get("occurrenceCount", 0) for each in rrs)


def _target(rr: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Mapping[str, Any] = rr["spec"]["targetResource"]
    return target


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether its condition Ready says so."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

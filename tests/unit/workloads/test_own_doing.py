"""The gateway's own doing is known by kind, API group and namespace, of the object and of its owners."""

import pytest

from core.signals.signal import TargetResource
from core.workloads.qualification import OwnDoing

GROUP, NAMESPACE = "sre.example.com", "sluice-system"


def refusal(api_version: str, kind: str, *, namespace: str = "shop", name: str = "x", local: bool = True) -> str:
    target = TargetResource(kind=kind, name=name, namespace=namespace, api_version=api_version)
    return OwnDoing(group=GROUP, namespaces={NAMESPACE}).refusal(target, local=local)


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("", "RemediationRequest"),
        ("remediation.kubernaut.ai/v1alpha1", "RemediationRequest"),
        ("old.example.com/v1", "RemediationRequest"),
        ("", "Lease"),
        ("coordination.k8s.io/v1", "Lease"),
        ("coordination.k8s.io/v1beta1", "Lease"),
        (f"{GROUP}/v1", "Anything"),
        ("kubernaut.ai/v1alpha1", "WorkflowExecution"),
        ("signalprocessing.kubernaut.ai/v1alpha1", "SignalProcessing"),
        ("a.b.kubernaut.ai/v1", "Anything"),
    ],
)
def test_own_kind_is_own_in_any_namespace_and_cluster(api_version: str, kind: str, local: bool):
    assert refusal(api_version, kind, local=local).startswith(f"{kind} shop/x is ")


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("v1", "Pod"),
        ("leases.example.com/v1", "Lease"),
        (f"sub.{GROUP}/v1", "Anything"),
        ("notkubernaut.ai/v1", "Anything"),
        ("kubernaut.ai.example.com/v1", "Anything"),
        ("coordination.k8s.io/v1", "LeaseCandidate"),
    ],
)
def test_all_other_kinds_are_not(api_version: str, kind: str):
    assert refusal(api_version, kind) == ""


def test_all_in_its_namespace_is_own_and_the_namespace_itself():
    assert "SLUICE_OWN_NAMESPACE=take" in refusal("v1", "Pod", namespace=NAMESPACE)
    assert "SLUICE_OWN_NAMESPACE=take" in refusal("v1", "Namespace", namespace="", name=NAMESPACE)
    assert refusal("v1", "Namespace", namespace="", name="shop") == ""


def test_namespace_of_that_name_in_another_cluster_is_somebody_elses():
    assert refusal("v1", "Pod", namespace=NAMESPACE, local=False) == ""
    assert refusal("v1", "Namespace", namespace="", name=NAMESPACE, local=False) == ""


def test_whoever_takes_its_namespace_gets_all_but_the_own_kinds():
    own = OwnDoing(group=GROUP, namespaces=())
    pod = TargetResource(kind="Pod", name="x", namespace=NAMESPACE, api_version="v1")
    assert own.refusal(pod) == ""
    assert own.refusal(TargetResource(kind="Lease", name="x", namespace=NAMESPACE)) != ""
    assert own.refusal(TargetResource(kind="Pod", name="x", api_version="v1")) == ""


def test_object_is_own_where_one_of_its_owners_is():
    own = OwnDoing(group=GROUP, namespaces={NAMESPACE})
    pod = TargetResource(kind="Pod", name="x", namespace="shop", api_version="v1")
    job = TargetResource(kind="Job", name="j", namespace="shop", api_version="batch/v1")
    run = TargetResource(kind="WorkflowExecution", name="w", namespace="shop", api_version="kubernaut.ai/v1alpha1")
    assert own.refusal(pod, [job]) == ""
    assert own.refusal(pod, [job, run]).startswith("Pod shop/x belongs to WorkflowExecution shop/w, which is ")

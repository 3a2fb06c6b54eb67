"""A namespace of a kube-apiserver, set up as docs/deploy.md tells an operator to."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.apiserver import Answer, KubeApiserver

    Rule = dict[str, list[str]]

_CLUSTER = Path(__file__).parents[2] / "knative" / "cluster"
CRD = _CLUSTER / "crd.yaml"
GATEWAY, SENDER = "sluice", "alertmanager"
GROUP = "remediation.kubernaut.ai"

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_STATE = "gateway.kubernaut.ai/lock"
_MERGE = "application/merge-patch+json"


def rule(group: str, resource: str, *verbs: str) -> Rule:
    """One RBAC rule."""
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


def _manifest_rules(name: str) -> list[Rule]:
    """The rules of a Role or ClusterRole in the manifests."""
    documents = [yaml.safe_load_all((_CLUSTER / file).read_text()) for file in ("rbac.yaml", "rbac-owners.yaml")]
    roles = [each for each in chain(*documents) if each.get("rules") and each["metadata"]["name"] == name]
    return [rule for role in roles for rule in role["rules"]]


GATEWAY_RULES = _manifest_rules("sluice")
REVIEW_RULES = _manifest_rules("sluice-reviews")
# A controller, which this API server has not, adds them up in sluice-workloads.
WORKLOAD_RULES = [
    rule for part in ("owners", "scope", "events") for rule in _manifest_rules(f"sluice-workloads-{part}")
]
SENDER_RULES = [rule(GROUP, "remediationrequests/signals", "create")]


class Cluster:
    """A fresh namespace with the CRD, and the gateway's service account with the rules it needs."""

    def __init__(self, server: KubeApiserver) -> None:
        self.server = server
        install_crd(server)
        created = self._call("POST", "/api/v1/namespaces", {"metadata": {"generateName": "e2e-"}})
        self.namespace: str = created.body["metadata"]["name"]
        self.token = self.add_account(GATEWAY, GATEWAY_RULES)
        review_role = {"metadata": {"name": self.namespace}, "rules": REVIEW_RULES + WORKLOAD_RULES}
        self.call("POST", f"{_RBAC}/clusterroles", review_role)
        self.call("POST", f"{_RBAC}/clusterrolebindings", self._binding(GATEWAY, "ClusterRole", self.namespace))

    def add_account(self, name: str, rules: Sequence[Rule]) -> str:
        """Make a service account with `rules` in the namespace; return its token."""
        accounts = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        self.call("POST", accounts, {"metadata": {"name": name}})
        self.call("POST", f"{self._rbac}/roles", {"metadata": {"name": name}, "rules": list(rules)})
        self.call("POST", f"{self._rbac}/rolebindings", self._binding(name, "Role", name))
        token: str = self.call("POST", f"{accounts}/{name}/token", {"spec": {}}).body["status"]["token"]
        return token

    def set_rules(self, name: str, rules: Sequence[Rule]) -> None:
        """Give a service account `rules` in place of those it has."""
        self.call("PATCH", f"{self._rbac}/roles/{name}", {"rules": list(rules)}, content_type=_MERGE)

    def set_review_rules(self, rules: Sequence[Rule]) -> None:
        """Give the gateway `rules` in the whole cluster in place of those it has for reviews."""
        self.set_cluster_rules([*rules, *WORKLOAD_RULES])

    def set_cluster_rules(self, rules: Sequence[Rule]) -> None:
        """Give the gateway `rules` in the whole cluster in place of all those it has."""
        self.call("PATCH", f"{_RBAC}/clusterroles/{self.namespace}", {"rules": list(rules)}, content_type=_MERGE)

    def rrs(self) -> list[Any]:
        """All RemediationRequests of the namespace."""
        return list(self.call("GET", self._rrs).body["items"])

    def set_phase(self, name: str, phase: str) -> None:
        """Move an RR to `phase`, as the orchestrator does."""
        status = {"status": {"overallPhase": phase}}
        self.call("PATCH", f"{self._rrs}/{name}/status", status, content_type=_MERGE)

    def leases(self) -> list[Any]:
        """All Leases of the namespace."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"
        return list(self.call("GET", path).body["items"])

    def held_leases(self) -> list[Any]:
        """Leases whose holder has neither said that it is done, nor that it gave up."""
        return [
            each
            for each in self.leases()
            if not each["metadata"].get("annotations", {}).get(_STATE, "").startswith(("done ", "abandoned "))
        ]

    def write_kubeconfig(self, path: Path, *, token: str = "") -> Path:
        """For the gateway's service account, or the holder of `token`."""
        return self.server.write_kubeconfig(path, token=token or self.token, namespace=self.namespace)

    def call(self, method: str, path: str, body: object = None, **options: Any) -> Answer:
        """Talk to the API server as its admin; it must agree."""
        answer = self._call(method, path, body, **options)
        assert answer.status < 300, answer.body
        return answer

    def _call(self, method: str, path: str, body: object = None, **options: Any) -> Answer:
        return self.server.request(method, path, body, **options)

    def _binding(self, account: str, kind: str, role: str) -> dict[str, Any]:
        return {
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": self.namespace}],
        }

    @property
    def _rbac(self) -> str:
        return f"{_RBAC}/namespaces/{self.namespace}"

    @property
    def _rrs(self) -> str:
        return f"/apis/{GROUP}/v1alpha1/namespaces/{self.namespace}/remediationrequests"


def install_crd(server: KubeApiserver) -> None:
    """Apply knative/cluster/crd.yaml where it is not there yet, and wait until the kind is served."""
    install_definition(server, CRD)


def install_definition(server: KubeApiserver, file: Path) -> None:
    """Apply a definition where it is not there yet, and wait until the kind is served."""
    crd = yaml.safe_load(file.read_text())
    status = server.request("POST", _CRDS, crd).status
    assert status in (201, 409)
    spec = crd["spec"]
    path = f"/apis/{spec['group']}/v1alpha1/{spec['names']['plural']}?limit=1"
    wait_for(lambda: server.request("GET", path).status == 200, what="the CRD to be served", within=10)

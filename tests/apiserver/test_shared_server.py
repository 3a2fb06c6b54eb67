"""The session's server is a real one: it issues and reviews tokens, authorizes, and selects by custom fields."""

import base64
import json
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver import KubeApiserver
from tests.apiserver.fixtures import OUTSIDER
from tests.apiserver.rest import is_established
from tests.support.waiting import HANGS_AFTER, wait_for

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def namespace(kube_apiserver: KubeApiserver) -> str:
    body = {"metadata": {"generateName": "apiserver-"}}
    created = kube_apiserver.request("POST", "/api/v1/namespaces", body)
    assert created.status == 201
    name: str = created.body["metadata"]["name"]
    return name


def test_version_is_the_one_that_go_mod_names(kube_apiserver: KubeApiserver) -> None:
    version = kube_apiserver.request("GET", "/version").body
    assert f" k8s.io/kubernetes {version['gitVersion']}\n" in Path(__file__).with_name("go.mod").read_text().replace(
        "\t", " "
    )


def test_token_of_a_service_account_is_issued_and_reviewed(kube_apiserver: KubeApiserver, namespace: str) -> None:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    kube_apiserver.request("POST", accounts, {"metadata": {"name": "sender"}})
    issued = kube_apiserver.request("POST", f"{accounts}/sender/token", {"spec": {"audiences": ["sluice"]}})
    assert issued.status == 201

    status = _review_token(kube_apiserver, token=issued.body["status"]["token"], audiences=["sluice"])

    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:sender"
    assert status["audiences"] == ["sluice"]


def test_token_for_another_audience_is_not_authenticated(kube_apiserver: KubeApiserver, namespace: str) -> None:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    kube_apiserver.request("POST", accounts, {"metadata": {"name": "sender"}})
    issued = kube_apiserver.request("POST", f"{accounts}/sender/token", {"spec": {"audiences": ["others"]}})

    status = _review_token(kube_apiserver, token=issued.body["status"]["token"], audiences=["sluice"])

    assert status.get("authenticated", False) is False


def test_access_is_reviewed_by_rbac(kube_apiserver: KubeApiserver, namespace: str) -> None:
    assert not _is_allowed(kube_apiserver, user=OUTSIDER, verb="create", namespace=namespace)
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    bound = kube_apiserver.request(
        "POST",
        bindings,
        {
            "metadata": {"name": "outsider-edits"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OUTSIDER}],
        },
    )
    assert bound.status == 201
    assert _becomes_allowed(kube_apiserver, user=OUTSIDER, verb="create", namespace=namespace)
    assert not _is_allowed(kube_apiserver, user=OUTSIDER, verb="create", namespace="default")


def test_outsider_is_known_and_may_do_nothing(kube_apiserver: KubeApiserver) -> None:
    answer = kube_apiserver.request("GET", "/api/v1/pods", token=kube_apiserver.token_of(OUTSIDER))
    assert answer.status == 403
    assert f'User "{OUTSIDER}" cannot list resource "pods"' in answer.body["message"]


def test_unknown_token_is_refused(kube_apiserver: KubeApiserver) -> None:
    assert kube_apiserver.request("GET", "/api/v1/pods", token="guessed").status == 401


def test_custom_resources_are_found_by_selectable_field(kube_apiserver: KubeApiserver, namespace: str) -> None:
    _establish(kube_apiserver, _selectable_crd())
    things = f"/apis/sluice.test/v1/namespaces/{namespace}/things"
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        created = kube_apiserver.request("POST", things, _thing(name, colour=colour))
        assert created.status == 201, created.body

    found = kube_apiserver.request("GET", f"{things}?fieldSelector=spec.colour%3Dred").body

    assert [item["metadata"]["name"] for item in found["items"]] == ["a", "c"]
    assert kube_apiserver.request("GET", f"{things}?fieldSelector=spec.shape%3Dround").status == 400


def test_kubeconfig_holds_all_that_a_client_needs(kube_apiserver: KubeApiserver, tmp_path: Path) -> None:
    path = kube_apiserver.write_kubeconfig(tmp_path / "config", namespace="somewhere")

    config = json.loads(path.read_text())
    cluster = config["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    request = urllib.request.Request(f"{cluster['server']}/api/v1/namespaces")
    request.add_header("Authorization", f"Bearer {config['users'][0]['user']['token']}")
    no_proxy = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with no_proxy.open(request, timeout=HANGS_AFTER) as response:
        assert "default" in [item["metadata"]["name"] for item in json.load(response)["items"]]
    assert config["contexts"][0]["context"]["namespace"] == "somewhere"


def _review_token(server: KubeApiserver, *, token: str, audiences: list[str]) -> dict[str, Any]:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    answer = server.request("POST", path, {"spec": {"token": token, "audiences": audiences}})
    assert answer.status == 201
    status: dict[str, Any] = answer.body["status"]
    return status


def _is_allowed(server: KubeApiserver, *, user: str, verb: str, namespace: str) -> bool:
    attributes = {"verb": verb, "namespace": namespace, "group": "coordination.k8s.io", "resource": "leases"}
    answer = server.request(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {"spec": {"user": user, "resourceAttributes": attributes}},
    )
    assert answer.status == 201
    allowed: bool = answer.body["status"]["allowed"]
    return allowed


def _becomes_allowed(server: KubeApiserver, *, user: str, verb: str, namespace: str) -> bool:
    """The authorizer reads rules from a cache that follows the write."""
    return wait_for(
        lambda: _is_allowed(server, user=user, verb=verb, namespace=namespace),
        what=f"{user} to be allowed to {verb}",
        within=HANGS_AFTER,
    )


def _establish(server: KubeApiserver, crd: dict[str, Any]) -> None:
    created = server.request("POST", CRDS, crd)
    assert created.status == 201, created.body
    path = f"{CRDS}/{crd['metadata']['name']}"
    wait_for(lambda: is_established(server.request("GET", path).body), what="Established", within=HANGS_AFTER)


def _selectable_crd() -> dict[str, Any]:
    spec = {"type": "object", "properties": {"colour": {"type": "string"}, "shape": {"type": "string"}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.sluice.test"},
        "spec": {
            "group": "sluice.test",
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                    "selectableFields": [{"jsonPath": ".spec.colour"}],
                }
            ],
        },
    }


def _thing(name: str, *, colour: str) -> dict[str, Any]:
    return {
        "apiVersion": "sluice.test/v1",
        "kind": "Thing",
        "metadata": {"name": name},
        "spec": {"colour": colour},
    }

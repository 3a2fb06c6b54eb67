from typing import Any
from uuid import uuid4

import pytest

from core.local.embedded import load_crd
from tests.contract.client import Client
from tests.contract.conftest import CRDS
from tests.contract.objects import GROUP, failure

NOT_SERVED = failure(404, "NotFound", "the server could not find the requested resource", details={})
NOT_ALLOWED = failure(
    405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details={}
)


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/nonsense",
            "/apis/not-installed.example",
            "/apis/not-installed.example/v1",
            "/apis/not-installed.example/v1/namespaces/default/remediationrequests",
            "/apis/not-installed.example/v1/namespaces/default/remediationrequests/rr-1",
            f"/apis/{GROUP}/v1/namespaces/default/remediationrequests",
            f"/apis/{GROUP}/v1alpha1/namespaces/default/nonsense",
        ],
    )
    async def test_of_kinds_that_are_not_installed_are_no_pages(self, api: Client, path: str):
        reply = await api.get(path)
        assert (reply.status, reply.body) == (404, "404 page not found\n")
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"

    @pytest.mark.parametrize(
        "path",
        [
            "/api/v1/nonsense",
            "/api/v1/namespaces/default/nodes",
            "/apis/coordination.k8s.io/v1/nonsense",
            "/apis/coordination.k8s.io/v1/leases/l",
            "/api/v2",
            "/apis/apps/v9",
        ],
    )
    async def test_below_built_in_groups_name_the_fault(self, api: Client, path: str):
        reply = await api.get(path)
        assert reply.status == 404
        assert reply.body == NOT_SERVED

    async def test_creation_outside_a_namespace_is_no_page(self, api: Client):
        reply = await api.post(f"/apis/{GROUP}/v1alpha1/remediationrequests", {})
        assert (reply.status, reply.body) == (404, "404 page not found\n")

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", "/api/v1/namespaces/default/pods"),
            ("POST", "/apis/coordination.k8s.io/v1/leases"),
            ("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"),
            ("OPTIONS", "/apis/coordination.k8s.io/v1/namespaces/default/leases"),
        ],
    )
    async def test_methods_that_make_no_sense_are_refused(self, api: Client, method: str, path: str):
        reply = await api.call(method, path, {})
        assert reply.status == 405
        assert reply.body == NOT_ALLOWED

    async def test_a_built_in_object_has_no_other_subresources(self, api: Client, namespace: str):
        reply = await api.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/l/status")
        assert reply.body == NOT_SERVED


class TestDiscovery:
    async def test_of_versions_and_groups(self, api: Client):
        assert (await api.get("/api")).body["versions"] == ["v1"]
        groups = {group["name"]: group for group in (await api.get("/apis")).body["groups"]}
        assert {"apps", "batch", "coordination.k8s.io", "events.k8s.io", "apiextensions.k8s.io", GROUP} <= set(groups)
        assert {"authentication.k8s.io", "authorization.k8s.io"} <= set(groups)
        version = {"groupVersion": f"{GROUP}/v1alpha1", "version": "v1alpha1"}
        described = {"name": GROUP, "versions": [version], "preferredVersion": version}
        assert groups[GROUP] == described
        reply = await api.get(f"/apis/{GROUP}")
        assert reply.body == {"kind": "APIGroup", "apiVersion": "v1"} | described

    async def test_of_the_custom_kind(self, api: Client):
        body = (await api.get(f"/apis/{GROUP}/v1alpha1")).body
        assert (body["kind"], body["groupVersion"]) == ("APIResourceList", f"{GROUP}/v1alpha1")
        whole, status = body["resources"]
        assert {key: whole[key] for key in ("name", "singularName", "namespaced", "kind", "shortNames")} == {
            "name": "remediationrequests",
            "singularName": "remediationrequest",
            "namespaced": True,
            "kind": "RemediationRequest",
            "shortNames": ["rr"],
        }
        assert {"create", "delete", "get", "list", "patch", "update", "watch"} <= set(whole["verbs"])
        assert status == {
            "name": "remediationrequests/status",
            "singularName": "",
            "namespaced": True,
            "kind": "RemediationRequest",
            "verbs": ["get", "patch", "update"],
        }

    @pytest.mark.parametrize(
        ("path", "names"),
        [
            ("/api/v1", {"pods", "namespaces", "nodes", "events", "services", "persistentvolumeclaims"}),
            ("/apis/apps/v1", {"deployments", "replicasets", "statefulsets", "daemonsets"}),
            ("/apis/batch/v1", {"jobs", "cronjobs"}),
            ("/apis/authentication.k8s.io/v1", {"tokenreviews"}),
            ("/apis/authorization.k8s.io/v1", {"subjectaccessreviews"}),
        ],
    )
    async def test_of_built_in_kinds(self, api: Client, path: str, names: set[str]):
        body = (await api.get(path)).body
        found = {resource["name"]: resource for resource in body["resources"]}
        assert names <= set(found)
        assert all(found[name]["kind"] and found[name]["singularName"] for name in names)


class TestInstallation:
    """A kind is served when its definition is stored, and no longer than that."""

    @pytest.fixture
    def crd(self) -> Any:
        return load_crd(group=f"g{uuid4().hex[:8]}.example")

    async def test_by_creating_the_definition(self, api: Client, crd: Any):
        group, name = crd["spec"]["group"], crd["metadata"]["name"]
        path = f"/apis/{group}/v1alpha1/namespaces/default/remediationrequests"
        assert (await api.get(path)).body == "404 page not found\n"
        assert (await api.post(CRDS, crd)).status == 201
        assert (await api.post(CRDS, crd)).body["reason"] == "AlreadyExists"
        while (await api.get(path)).status in (404, 429):
            pass  # the API server takes a moment
        assert (await api.get(path)).body["items"] == []
        while not {"Established", "NamesAccepted"} <= await self.conditions(api, name):
            pass  # it serves the kind once the names are accepted, and says Established a moment later
        assert (await api.delete(f"{CRDS}/{name}")).status == 200
        while (await api.get(path)).status == 200:
            pass
        assert (await api.get(f"{CRDS}/{name}")).status in (200, 404)

    async def conditions(self, api: Client, name: str) -> set[str]:
        status = (await api.get(f"{CRDS}/{name}")).body["status"]
        return {one["type"] for one in status["conditions"] if one["status"] == "True"}

    async def test_of_a_definition_under_another_name_is_refused(self, api: Client, crd: Any):
        crd["metadata"]["name"] = "others.example"
        reply = await api.post(CRDS, crd)
        (wrong,) = [one for one in reply.body["details"]["causes"] if one["field"] == "metadata.name"]
        assert reply.status == 422
        assert wrong["message"] == 'Invalid value: "others.example": must be spec.names.plural+"."+spec.group'

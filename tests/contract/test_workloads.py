"""Pods and their owners, as the gateway climbs from one to the other."""

from typing import Any

import pytest

from tests.contract.client import PARTIAL, Client

POD_SPEC = {"containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": POD_SPEC}
SELECTOR = {"matchLabels": {"app": "web"}}
JOB = {"template": {"spec": POD_SPEC | {"restartPolicy": "Never"}}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}

FIRST_STATUS: dict[str, Any] = {
    "Deployment": {},
    "ReplicaSet": {"replicas": 0},
    "DaemonSet": dict.fromkeys(
        ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"), 0
    ),
    "StatefulSet": {"replicas": 0, "availableReplicas": 0},
    "Job": {},
    "CronJob": {},
    "ReplicationController": {"replicas": 0},
    "Service": {"loadBalancer": {}},
    "PersistentVolumeClaim": {"phase": "Pending"},
}


def owned_by(kind: str, api_version: str, made: Any) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": made["metadata"]["name"],
        "uid": made["metadata"]["uid"],
        "controller": True,
    }


class TestOwners:
    @pytest.mark.parametrize(
        ("root", "plural", "kind", "spec"),
        [
            ("/apis/apps/v1", "deployments", "Deployment", {"selector": SELECTOR, "template": TEMPLATE}),
            ("/apis/apps/v1", "replicasets", "ReplicaSet", {"selector": SELECTOR, "template": TEMPLATE}),
            ("/apis/apps/v1", "daemonsets", "DaemonSet", {"selector": SELECTOR, "template": TEMPLATE}),
            (
                "/apis/apps/v1",
                "statefulsets",
                "StatefulSet",
                {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "web"},
            ),
            ("/apis/batch/v1", "jobs", "Job", JOB),
            ("/apis/batch/v1", "cronjobs", "CronJob", {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}),
            ("/api/v1", "replicationcontrollers", "ReplicationController", {"template": TEMPLATE}),
            ("/api/v1", "services", "Service", {"ports": [{"port": 80}]}),
            ("/api/v1", "persistentvolumeclaims", "PersistentVolumeClaim", CLAIM),
        ],
    )
    async def test_can_be_made_and_looked_up(  # noqa: PLR0917
        self, api: Client, namespace: str, root: str, plural: str, kind: str, spec: Any
    ):
        path = f"{root}/namespaces/{namespace}/{plural}"
        owner = {"apiVersion": "example.com/v1", "kind": "App", "name": "web", "uid": "u-1", "controller": True}
        made = await api.post(path, {"metadata": {"name": "web", "ownerReferences": [owner]}, "spec": spec})
        assert made.status == 201, made.body
        assert made.body["kind"] == kind
        assert made.body["status"] == FIRST_STATUS[kind]
        partial = (await api.get(f"{path}/web", headers={"Accept": PARTIAL})).body
        assert partial["metadata"]["ownerReferences"] == [owner]
        assert (await api.delete(f"{path}/web")).status == 200

    async def test_a_pod_leads_to_its_owner(self, api: Client, namespace: str):
        sets = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
        body = {"metadata": {"name": "web"}, "spec": {"selector": SELECTOR, "template": TEMPLATE}}
        owner = (await api.post(sets, body)).body
        assert owner["metadata"]["generation"] == 1
        reference = owned_by("ReplicaSet", "apps/v1", owner)
        pods = f"/api/v1/namespaces/{namespace}/pods"
        pod = {"metadata": {"name": "web-1", "ownerReferences": [reference]}, "spec": POD_SPEC}
        made = await api.post(pods, pod)
        assert made.status == 201, made.body
        assert made.body["status"]["phase"] == "Pending"
        assert made.body["metadata"]["ownerReferences"] == [reference]

    async def test_a_pod_is_selected_by_its_fields(self, api: Client, namespace: str):
        pods = f"/api/v1/namespaces/{namespace}/pods"
        await api.post(pods, {"metadata": {"name": "a"}, "spec": POD_SPEC | {"nodeName": "node-1"}})
        await api.post(pods, {"metadata": {"name": "b"}, "spec": POD_SPEC | {"hostNetwork": True}})
        hosted = await api.get(pods, fieldSelector="spec.hostNetwork=true")
        assert [item["metadata"]["name"] for item in hosted.body["items"]] == ["b"]
        reply = await api.get(pods, fieldSelector="spec.nodeName=node-1,status.phase=Pending")
        assert [item["metadata"]["name"] for item in reply.body["items"]] == ["a"]

    async def test_a_pod_that_runs_nowhere_is_deleted_at_once(self, api: Client, namespace: str):
        pods = f"/api/v1/namespaces/{namespace}/pods"
        await api.post(pods, {"metadata": {"name": "a"}, "spec": POD_SPEC})
        reply = await api.delete(f"{pods}/a")
        assert (reply.status, reply.body["kind"]) == (200, "Pod")
        assert (await api.get(f"{pods}/a")).status == 404

    async def test_a_deployment_counts_generations_of_its_spec(self, api: Client, namespace: str):
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        spec = {"selector": SELECTOR, "template": TEMPLATE, "replicas": 1}
        await api.post(path, {"metadata": {"name": "web"}, "spec": spec})
        labelled = (await api.patch(f"{path}/web", {"metadata": {"labels": {"a": "b"}}})).body
        scaled = (await api.patch(f"{path}/web", {"spec": {"replicas": 2}})).body
        observed = (await api.patch(f"{path}/web/status", {"status": {"observedGeneration": 2}})).body
        generations = [one["metadata"]["generation"] for one in (labelled, scaled, observed)]
        assert generations == [1, 2, 2]
        assert observed["status"]["observedGeneration"] == 2

    async def test_a_deployment_is_updated_without_a_version(self, api: Client, namespace: str):
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        body = {"metadata": {"name": "web"}, "spec": {"selector": SELECTOR, "template": TEMPLATE}}
        await api.post(path, body)
        assert (await api.put(f"{path}/web", body)).status == 200


class TestClusterScoped:
    async def test_a_node(self, api: Client, namespace: str):
        made = await api.post("/api/v1/nodes", {"metadata": {"name": namespace}})
        assert made.status == 201
        assert "namespace" not in made.body["metadata"]
        selected = await api.get("/api/v1/nodes", fieldSelector=f"metadata.name={namespace}")
        assert [item["metadata"]["name"] for item in selected.body["items"]] == [namespace]
        assert (await api.delete(f"/api/v1/nodes/{namespace}")).status == 200


class TestEvents:
    async def test_are_selected_by_what_they_are_about(self, api: Client, namespace: str):
        path = f"/api/v1/namespaces/{namespace}/events"
        for name, reason in (("e-1", "BackOff"), ("e-2", "Pulled")):
            event = {
                "metadata": {"name": name},
                "involvedObject": {"kind": "Pod", "name": "web", "namespace": namespace},
                "reason": reason,
                "type": "Warning",
                "source": {"component": "kubelet"},
            }
            assert (await api.post(path, event)).status == 201
        selector = "involvedObject.kind=Pod,involvedObject.name=web,reason=BackOff,type=Warning,source=kubelet"
        reply = await api.get(path, fieldSelector=selector)
        assert [item["metadata"]["name"] for item in reply.body["items"]] == ["e-1"]

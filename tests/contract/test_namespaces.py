from typing import Any

import pytest

from tests.contract.client import Client
from tests.contract.objects import LEASE_GROUP, failure, lease, remediation_request

NAMESPACES = "/api/v1/namespaces"


class TestMissing:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/apis/coordination.k8s.io/v1/namespaces/never-made/leases", lease("l")),
            (
                "/apis/remediation.kubernaut.ai/v1alpha1/namespaces/never-made/remediationrequests",
                remediation_request("rr-1"),
            ),
        ],
    )
    async def test_nothing_can_be_created_in_it(self, api: Client, path: str, body: Any):
        reply = await api.post(path, body)
        message = 'namespaces "never-made" not found'
        assert reply.status == 404
        assert reply.body == failure(404, "NotFound", message, name="never-made", kind="namespaces")

    async def test_not_even_by_an_update(self, api: Client):
        reply = await api.put("/apis/coordination.k8s.io/v1/namespaces/never-made/leases/l", lease("l"))
        message = 'namespaces "never-made" not found'
        assert reply.body == failure(404, "NotFound", message, name="never-made", kind="namespaces")


class TestLost:
    """A namespace that is deleted under the gateway; it ends for good when its controller has emptied it."""

    @pytest.fixture
    async def ending(self, api: Client, namespace: str, leases: str) -> Any:
        """The namespace, deleted, as the DELETE answered; a Lease `l` was in it."""
        await api.post(leases, lease("l"))
        reply = await api.delete(f"{NAMESPACES}/{namespace}")
        assert reply.status == 200, reply.body
        return reply.body

    async def test_it_is_terminating(self, api: Client, namespace: str, ending: Any):
        assert ending["status"]["phase"] == "Terminating"
        assert "deletionTimestamp" in ending["metadata"]
        assert ending["spec"] == {"finalizers": ["kubernetes"]}
        assert (await api.get(f"{NAMESPACES}/{namespace}")).body == ending

    async def test_nothing_new_can_be_created_in_it(self, api: Client, namespace: str, leases: str, ending: Any):
        reply = await api.post(leases, lease("m"))
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        ended = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
        details = {"name": "m", "group": LEASE_GROUP, "kind": "leases", "causes": [ended]}
        message = f'leases.coordination.k8s.io "m" is forbidden: {why}'
        assert reply.status == 403
        assert reply.body == failure(403, "Forbidden", message, **details)

    async def test_what_is_in_it_can_be_changed_and_deleted(self, api: Client, leases: str, ending: Any):
        assert (await api.patch(f"{leases}/l", {"spec": {"holderIdentity": "b"}})).status == 200
        assert (await api.delete(f"{leases}/l")).status == 200


class TestNew:
    async def test_it_is_active_and_labelled(self, api: Client, namespace: str):
        body = (await api.get(f"{NAMESPACES}/{namespace}")).body
        assert body["status"] == {"phase": "Active"}
        assert body["spec"] == {"finalizers": ["kubernetes"]}
        assert body["metadata"]["labels"] == {"kubernetes.io/metadata.name": namespace}

    async def test_the_names_of_system_namespaces_exist(self, api: Client):
        listed = (await api.get(NAMESPACES)).body["items"]
        found = {item["metadata"]["name"] for item in listed}
        assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= found

    async def test_default_cannot_be_deleted(self, api: Client):
        reply = await api.delete(f"{NAMESPACES}/default")
        message = 'namespaces "default" is forbidden: this namespace may not be deleted'
        assert reply.body == failure(403, "Forbidden", message, name="default", kind="namespaces")

    async def test_a_name_must_be_a_label(self, api: Client):
        reply = await api.post(NAMESPACES, {"metadata": {"name": "A"}})
        (wrong,) = reply.body["details"]["causes"]
        assert (reply.status, wrong["field"]) == (422, "metadata.name")
        assert wrong["message"].startswith('Invalid value: "A": a lowercase RFC 1123 label must consist of')

    async def test_a_long_name_is_wrong_as_a_label_too(self, api: Client):
        reply = await api.post(NAMESPACES, {"metadata": {"name": "x" * 64}})
        told = [(one["field"], one["message"].rpartition(": ")[2]) for one in reply.body["details"]["causes"]]
        assert told == [
            ("metadata.name", "must be no more than 63 characters"),
            ("metadata.labels", "must be no more than 63 bytes"),
        ]

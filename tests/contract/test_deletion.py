import json
from typing import Any

import pytest

from tests.contract.client import Client
from tests.contract.objects import GROUP, LEASE_GROUP, cause, failure, invalid, lease, remediation_request

RESOURCE = f"remediationrequests.{GROUP}"
OF_REQUEST = {"name": "rr-1", "group": GROUP, "kind": "remediationrequests"}


class TestPreconditions:
    """A lock is released only as it was seen."""

    @pytest.fixture
    async def held(self, api: Client, leases: str) -> Any:
        return (await api.post(leases, lease("l"))).body

    async def test_uid_and_version_as_they_are(self, api: Client, leases: str, held: Any):
        metadata = held["metadata"]
        reply = await api.delete(f"{leases}/l", uid=metadata["uid"], resourceVersion=metadata["resourceVersion"])
        assert reply.status == 200
        assert reply.body == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {"name": "l", "group": LEASE_GROUP, "kind": "leases", "uid": metadata["uid"]},
        }
        assert (await api.get(f"{leases}/l")).status == 404

    async def test_another_uid_is_a_conflict(self, api: Client, leases: str, held: Any):
        reply = await api.delete(f"{leases}/l", uid="other", resourceVersion=held["metadata"]["resourceVersion"])
        message = (
            'Operation cannot be fulfilled on Lease.coordination.k8s.io "l": the UID in the precondition (other) '
            f"does not match the UID in record ({held['metadata']['uid']}). "
            "The object might have been deleted and then recreated"
        )
        details = {"name": "l", "group": LEASE_GROUP, "kind": "Lease"}
        assert reply.status == 409
        assert reply.body == failure(409, "Conflict", message, **details)
        assert (await api.get(f"{leases}/l")).status == 200

    async def test_another_version_is_a_conflict(self, api: Client, leases: str, held: Any):
        metadata = held["metadata"]
        reply = await api.delete(f"{leases}/l", uid=metadata["uid"], resourceVersion="1")
        message = (
            'Operation cannot be fulfilled on Lease.coordination.k8s.io "l": the ResourceVersion in the precondition '
            f"(1) does not match the ResourceVersion in record ({metadata['resourceVersion']}). "
            "The object might have been modified"
        )
        details = {"name": "l", "group": LEASE_GROUP, "kind": "Lease"}
        assert reply.body == failure(409, "Conflict", message, **details)

    async def test_of_a_missing_lease_it_is_not_found(self, api: Client, leases: str):
        reply = await api.delete(f"{leases}/l", uid="any")
        details = {"name": "l", "group": LEASE_GROUP, "kind": "leases"}
        assert reply.body == failure(404, "NotFound", 'leases.coordination.k8s.io "l" not found', **details)

    async def test_none_at_all_deletes_what_there_is(self, api: Client, leases: str, held: Any):
        assert (await api.delete(f"{leases}/l")).status == 200
        assert (await api.delete(f"{leases}/l")).status == 404

    async def test_a_successor_has_another_uid_and_a_later_version(self, api: Client, leases: str, held: Any):
        await api.delete(f"{leases}/l")
        successor = (await api.post(leases, lease("l"))).body
        assert successor["metadata"]["uid"] != held["metadata"]["uid"]
        # At least two later: the deletion is a revision of its own.
        assert int(successor["metadata"]["resourceVersion"]) >= int(held["metadata"]["resourceVersion"]) + 2

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"preconditions": {"uid": 5}}, "BadRequest"),
            ({"kind": "Foo", "apiVersion": "v1"}, "BadRequest"),
            ([], "BadRequest"),
            (b"{", "BadRequest"),
        ],
    )
    async def test_unreadable_options_delete_nothing(
        self, api: Client, leases: str, held: Any, options: Any, reason: str
    ):
        reply = await api.call("DELETE", f"{leases}/l", options)
        assert (reply.status, reply.body["reason"]) == (400, reason)
        assert (await api.get(f"{leases}/l")).status == 200

    async def test_options_of_another_type_delete_nothing(self, api: Client, leases: str, held: Any):
        reply = await api.call("DELETE", f"{leases}/l", {}, content_type="text/plain")
        assert (reply.status, reply.body["reason"]) == (415, "UnsupportedMediaType")
        assert (await api.get(f"{leases}/l")).status == 200


class TestFinalizers:
    @pytest.fixture
    async def waiting(self, api: Client, rrs: str) -> Any:
        """A RemediationRequest that is deleted, but held by a finalizer; as the DELETE answered."""
        await api.post(rrs, remediation_request("rr-1", meta={"finalizers": ["test/wait"]}))
        reply = await api.delete(f"{rrs}/rr-1")
        assert reply.status == 200
        return reply.body

    async def test_hold_the_object_with_a_mark(self, api: Client, rrs: str, waiting: Any):
        assert waiting["kind"] == "RemediationRequest"
        metadata = waiting["metadata"]
        assert metadata["deletionTimestamp"] >= metadata["creationTimestamp"]
        assert metadata["deletionGracePeriodSeconds"] == 0
        assert metadata["generation"] == 2
        assert (await api.get(f"{rrs}/rr-1")).body == waiting

    async def test_deleting_again_changes_nothing(self, api: Client, rrs: str, waiting: Any):
        assert (await api.delete(f"{rrs}/rr-1")).body == waiting

    async def test_the_name_stays_taken(self, api: Client, rrs: str, waiting: Any):
        reply = await api.post(rrs, remediation_request("rr-1"))
        message = f'object is being deleted: {RESOURCE} "rr-1" already exists'
        assert reply.body == failure(409, "AlreadyExists", message, **OF_REQUEST)

    async def test_status_can_still_be_written(self, api: Client, rrs: str, waiting: Any):
        reply = await api.patch(f"{rrs}/rr-1/status", {"status": {"overallPhase": "Cancelled"}})
        assert reply.status == 200
        assert reply.body["metadata"]["deletionTimestamp"] == waiting["metadata"]["deletionTimestamp"]

    async def test_no_other_can_be_added(self, api: Client, rrs: str, waiting: Any):
        reply = await api.patch(f"{rrs}/rr-1", {"metadata": {"finalizers": ["test/wait", "test/more"]}})
        why = "no new finalizers can be added if the object is being deleted, found new finalizers"
        added = cause("metadata.finalizers", f'Forbidden: {why} []string{{"test/more"}}', "FieldValueForbidden")
        assert reply.body == invalid(GROUP, "RemediationRequest", "rr-1", added, added)

    @pytest.mark.parametrize(
        ("field", "value"), [("deletionTimestamp", "2001-01-01T00:00:00Z"), ("deletionGracePeriodSeconds", 5)]
    )
    async def test_no_client_can_mark_an_object_itself(self, api: Client, rrs: str, made: Any, field: str, value: Any):
        reply = await api.patch(f"{rrs}/rr-1", {"metadata": {field: value}})
        wrong = cause(f"metadata.{field}", f"Invalid value: {json.dumps(value)}: field is immutable")
        assert reply.body == invalid(GROUP, "RemediationRequest", "rr-1", wrong, wrong)

    async def test_taking_the_last_away_deletes(self, api: Client, rrs: str, waiting: Any):
        reply = await api.patch(f"{rrs}/rr-1", {"metadata": {"finalizers": None}})
        assert reply.status == 200
        assert reply.body["metadata"]["resourceVersion"] == waiting["metadata"]["resourceVersion"]
        assert (await api.get(f"{rrs}/rr-1")).status == 404

from typing import Any

import pytest

from tests.contract.client import Client, Server
from tests.contract.objects import LEASE_GROUP, MODIFIED, cause, failure, invalid, lease, same_moment

OF_LEASE = {"name": "l", "group": LEASE_GROUP, "kind": "leases"}
MUST_SAY_VERSION = cause("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")


@pytest.fixture
async def held(api: Client, leases: str) -> Any:
    """A Lease `l`, as the server answered its creation."""
    reply = await api.post(leases, lease("l"))
    assert reply.status == 201, reply.body
    return reply.body


def with_spec(body: Any, **spec: Any) -> Any:
    return body | {"spec": body["spec"] | spec}


def with_metadata(body: Any, **metadata: Any) -> Any:
    return body | {"metadata": body["metadata"] | metadata}


class TestCreation:
    async def test_the_server_sets_what_is_its_own(self, held: Any, namespace: str):
        metadata = held["metadata"]
        assert held["spec"] == {"holderIdentity": "a", "leaseDurationSeconds": 30}
        assert set(metadata) == {
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
        }
        assert metadata["namespace"] == namespace
        (entry,) = metadata["managedFields"]
        assert same_moment(entry.pop("time"), metadata["creationTimestamp"])
        assert entry == {
            "manager": "contract",
            "operation": "Update",
            "apiVersion": "coordination.k8s.io/v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:holderIdentity": {}, "f:leaseDurationSeconds": {}}},
        }

    async def test_what_the_server_sets_is_not_taken_from_the_client(self, api: Client, leases: str):
        forged = {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "managedFields": []}
        made = await api.post(leases, lease("l", meta=forged))
        assert made.status == 201
        assert made.body["metadata"]["uid"] != "mine"
        assert made.body["metadata"]["creationTimestamp"] > "2002"

    async def test_a_second_one_of_the_name_is_refused(self, api: Client, leases: str, held: Any):
        reply = await api.post(leases, lease("l", holderIdentity="b"))
        message = 'leases.coordination.k8s.io "l" already exists'
        assert reply.status == 409
        assert reply.body == failure(409, "AlreadyExists", message, **OF_LEASE)

    async def test_a_resource_version_is_refused(self, api: Client, leases: str):
        reply = await api.post(leases, lease("l", meta={"resourceVersion": "5"}))
        message = "resourceVersion should not be set on objects to be created"
        assert reply.body == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "code": 500,
        }

    async def test_name_and_kind_may_be_left_to_the_url(self, api: Client, leases: str):
        made = await api.post(leases, {"metadata": {"generateName": "gen-"}})
        assert made.status == 201
        assert made.body["kind"] == "Lease"
        assert made.body["metadata"]["name"].startswith("gen-")
        assert len(made.body["metadata"]["name"]) == len("gen-") + 5

    async def test_another_namespace_than_the_urls_is_refused(self, api: Client, leases: str):
        reply = await api.post(leases, lease("l", meta={"namespace": "other"}))
        message = "the namespace of the provided object does not match the namespace sent on the request"
        assert reply.body == failure(400, "BadRequest", message)

    @pytest.mark.parametrize(
        ("spec", "causes"),
        [
            ({"leaseDurationSeconds": 0}, [("leaseDurationSeconds", "Invalid value: 0: must be greater than 0")]),
            (
                {"leaseDurationSeconds": -1, "leaseTransitions": -1},
                [
                    ("leaseDurationSeconds", "Invalid value: -1: must be greater than 0"),
                    ("leaseTransitions", "Invalid value: -1: must be greater than or equal to 0"),
                ],
            ),
        ],
    )
    async def test_impossible_numbers_are_refused(self, api: Client, leases: str, spec: Any, causes: Any):
        reply = await api.post(leases, lease("l", **spec))
        expected = [cause(f"spec.{field}", message) for field, message in causes]
        assert reply.body == invalid(LEASE_GROUP, "Lease", "l", *expected)

    @pytest.mark.parametrize(
        ("spec", "why"),
        [
            (
                {"leaseDurationSeconds": "30"},
                "json: cannot unmarshal string into Go struct field LeaseSpec.spec.leaseDurationSeconds of type int32",
            ),
            (
                {"holderIdentity": 5},
                "json: cannot unmarshal number into Go struct field LeaseSpec.spec.holderIdentity of type string",
            ),
        ],
    )
    async def test_values_of_another_type_are_refused(self, api: Client, leases: str, spec: Any, why: str):
        reply = await api.post(leases, lease("l", **spec))
        message = f'Lease in version "v1" cannot be handled as a Lease: {why}'
        assert reply.body == failure(400, "BadRequest", message)

    @pytest.mark.parametrize(
        "time", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00.1234567Z", "soon"]
    )
    async def test_times_have_exactly_six_decimals(self, api: Client, leases: str, time: str):
        reply = await api.post(leases, lease("l", renewTime=time))
        assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
        assert f'parsing time "{time}" as "2006-01-02T15:04:05.000000Z07:00"' in reply.body["message"]

    async def test_times_come_back_in_utc(self, api: Client, leases: str):
        made = await api.post(leases, lease("l", renewTime="2026-01-01T00:00:00.123456+02:00"))
        assert made.body["spec"]["renewTime"] == "2025-12-31T22:00:00.123456Z"

    async def test_unknown_fields_are_dropped_with_a_warning(self, api: Client, leases: str):
        made = await api.post(leases, lease("l", color="red"))
        assert made.status == 201
        assert "color" not in made.body["spec"]
        assert made.headers["Warning"] == '299 - "unknown field \\"spec.color\\""'


class TestUpdate:
    async def test_the_current_version_is_replaced(self, api: Client, leases: str, held: Any):
        reply = await api.put(f"{leases}/l", with_spec(held, holderIdentity="b"))
        assert reply.status == 200
        assert reply.body["spec"]["holderIdentity"] == "b"
        assert int(reply.body["metadata"]["resourceVersion"]) > int(held["metadata"]["resourceVersion"])
        assert reply.body["metadata"]["uid"] == held["metadata"]["uid"]

    async def test_an_old_version_is_a_conflict(self, api: Client, leases: str, held: Any):
        await api.put(f"{leases}/l", with_spec(held, holderIdentity="b"))
        reply = await api.put(f"{leases}/l", with_spec(held, holderIdentity="c"))
        message = f'Operation cannot be fulfilled on leases.coordination.k8s.io "l": {MODIFIED}'
        assert reply.status == 409
        assert reply.body == failure(409, "Conflict", message, **OF_LEASE)

    async def test_another_uid_is_a_conflict(self, api: Client, leases: str, namespace: str, held: Any):
        reply = await api.put(f"{leases}/l", with_metadata(held, uid="other"))
        message = (
            'Operation cannot be fulfilled on leases.coordination.k8s.io "l": StorageError: invalid object, Code: 4, '
            f"Key: /registry/leases/{namespace}/l, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
            f"UID in precondition: other, UID in object meta: {held['metadata']['uid']}"
        )
        assert reply.body == failure(409, "Conflict", message, **OF_LEASE)

    async def test_no_version_is_refused(self, api: Client, leases: str, held: Any):
        reply = await api.put(f"{leases}/l", lease("l"))
        assert reply.body == invalid(LEASE_GROUP, "leases", "l", MUST_SAY_VERSION)

    async def test_a_version_that_is_no_number_is_refused(self, api: Client, leases: str, held: Any):
        reply = await api.put(f"{leases}/l", with_metadata(held, resourceVersion="abc"))
        assert reply.status == 500
        assert reply.body["message"] == 'strconv.ParseUint: parsing "abc": invalid syntax'

    async def test_another_name_than_the_urls_is_refused(self, api: Client, leases: str, held: Any):
        reply = await api.put(f"{leases}/l", lease("other"))
        message = "the name of the object (other) does not match the name on the URL (l)"
        assert reply.body == failure(400, "BadRequest", message)

    async def test_one_that_changes_nothing_keeps_the_version(
        self, api: Client, server: Server, leases: str, held: Any
    ):
        await server.a_second_passes()
        reply = await api.put(f"{leases}/l", held, headers={"User-Agent": "other/1.0"})
        assert reply.status == 200
        assert reply.body == held

    async def test_of_a_missing_lease_creates_it_whatever_version_it_names(self, api: Client, leases: str):
        """So a takeover by Update must name the uid too, else it brings a released Lease back."""
        reply = await api.put(f"{leases}/l", lease("l", meta={"resourceVersion": "5"}))
        assert reply.status == 201
        assert reply.body["metadata"]["resourceVersion"] != "5"

    async def test_of_a_missing_lease_with_a_uid_is_a_conflict(self, api: Client, leases: str, namespace: str):
        reply = await api.put(f"{leases}/l", lease("l", meta={"uid": "gone", "resourceVersion": "5"}))
        assert (reply.status, reply.body["reason"]) == (409, "Conflict")
        assert reply.body["message"].endswith("UID in precondition: gone, UID in object meta: ")
        assert (await api.get(f"{leases}/l")).status == 404


class TestWhoWroteWhen:
    """managedFields: the server's own record, by which the gateway judges a Lease's age."""

    async def test_an_update_by_another_takes_the_changed_fields_and_the_time(
        self, api: Client, server: Server, leases: str, held: Any
    ):
        await server.a_second_passes()
        body = with_spec(held, holderIdentity="b")
        updated = (await api.put(f"{leases}/l", body, headers={"User-Agent": "other/1.0"})).body
        first, second = updated["metadata"]["managedFields"]
        assert (first["manager"], second["manager"]) == ("contract", "other")
        assert first["time"] == held["metadata"]["managedFields"][0]["time"] < second["time"]
        assert first["fieldsV1"] == {"f:spec": {"f:leaseDurationSeconds": {}}}
        assert second["fieldsV1"] == {"f:spec": {"f:holderIdentity": {}}}
        assert updated["metadata"]["creationTimestamp"] == held["metadata"]["creationTimestamp"]

    async def test_an_update_by_the_same_moves_its_time(self, api: Client, server: Server, leases: str, held: Any):
        await server.a_second_passes()
        updated = (await api.put(f"{leases}/l", with_spec(held, holderIdentity="b"))).body
        (entry,) = updated["metadata"]["managedFields"]
        assert entry["time"] > held["metadata"]["managedFields"][0]["time"]
        assert entry["fieldsV1"] == held["metadata"]["managedFields"][0]["fieldsV1"]

    async def test_who_has_no_field_left_is_no_longer_listed(self, api: Client, leases: str, held: Any):
        body = with_spec(held, holderIdentity="b", leaseDurationSeconds=31)
        updated = (await api.put(f"{leases}/l", body, fieldManager="third")).body
        assert [entry["manager"] for entry in updated["metadata"]["managedFields"]] == ["third"]

    async def test_taking_a_field_away_moves_no_time(self, api: Client, server: Server, leases: str, held: Any):
        await server.a_second_passes()
        body = held | {"spec": {"leaseDurationSeconds": 30}}
        updated = (await api.put(f"{leases}/l", body, headers={"User-Agent": "other/1.0"})).body
        (entry,) = updated["metadata"]["managedFields"]
        assert (entry["manager"], entry["time"]) == ("contract", held["metadata"]["managedFields"][0]["time"])
        assert updated["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"]

    async def test_labels_are_owned_one_by_one_and_as_a_map(self, api: Client, leases: str, held: Any):
        body = with_metadata(held, labels={"l": "m"}, finalizers=["test/wait"])
        updated = (await api.put(f"{leases}/l", body, fieldManager="labeller")).body
        entry = next(one for one in updated["metadata"]["managedFields"] if one["manager"] == "labeller")
        assert entry["fieldsV1"] == {
            "f:metadata": {
                "f:finalizers": {".": {}, 'v:"test/wait"': {}},
                "f:labels": {".": {}, "f:l": {}},
            }
        }


class TestPatch:
    async def test_merge_patch_of_the_current_version(self, api: Client, leases: str, held: Any):
        version = held["metadata"]["resourceVersion"]
        change = {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": "b"}}
        reply = await api.patch(f"{leases}/l", change)
        assert reply.status == 200
        assert reply.body["spec"] == {"holderIdentity": "b", "leaseDurationSeconds": 30}

    async def test_merge_patch_of_an_old_version_is_a_conflict(self, api: Client, leases: str, held: Any):
        reply = await api.patch(f"{leases}/l", {"metadata": {"resourceVersion": "1"}})
        message = f'Operation cannot be fulfilled on leases.coordination.k8s.io "l": {MODIFIED}'
        assert reply.body == failure(409, "Conflict", message, **OF_LEASE)

    async def test_merge_patch_that_removes_the_version_is_refused(self, api: Client, leases: str, held: Any):
        reply = await api.patch(f"{leases}/l", {"metadata": {"resourceVersion": None}})
        assert reply.body == invalid(LEASE_GROUP, "leases", "l", MUST_SAY_VERSION)

    async def test_merge_patch_of_the_uid_is_refused(self, api: Client, leases: str, held: Any):
        reply = await api.patch(f"{leases}/l", {"metadata": {"uid": "other"}})
        immutable = cause("metadata.uid", 'Invalid value: "other": field is immutable')
        assert reply.body == invalid(LEASE_GROUP, "Lease", "l", immutable, immutable)

    async def test_merge_patch_of_the_name_is_refused(self, api: Client, leases: str, held: Any):
        reply = await api.patch(f"{leases}/l", {"metadata": {"name": "other"}})
        message = "the name of the object (other) does not match the name on the URL (l)"
        assert reply.body == failure(400, "BadRequest", message)

    async def test_merge_patch_that_removes_the_name_is_refused(self, api: Client, leases: str, held: Any):
        reply = await api.patch(f"{leases}/l", {"metadata": {"name": None}})
        message = "the name of the object (l based on URL) was undeterminable: name must be provided"
        assert reply.body == failure(400, "BadRequest", message)

    async def test_of_a_missing_lease_is_not_found(self, api: Client, leases: str):
        reply = await api.patch(f"{leases}/l", {"spec": {"holderIdentity": "b"}})
        message = 'leases.coordination.k8s.io "l" not found'
        assert reply.body == failure(404, "NotFound", message, **OF_LEASE)

    async def test_that_changes_nothing_keeps_the_version(self, api: Client, leases: str, held: Any):
        reply = await api.patch(f"{leases}/l", {"spec": {"holderIdentity": "a"}})
        assert reply.body == held

    async def test_that_breaks_a_type_is_refused(self, api: Client, leases: str, held: Any):
        reply = await api.patch(f"{leases}/l", {"metadata": {"labels": {"a": 1}}})
        assert (reply.status, reply.body["reason"]) == (422, "Invalid")
        assert [one["field"] for one in reply.body["details"]["causes"]] == ["patch"]
        assert reply.body["message"].endswith(
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"
        )

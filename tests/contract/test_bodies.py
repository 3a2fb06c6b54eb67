from typing import Any

import pytest

from tests.contract.client import Client
from tests.contract.objects import GROUP, cause, failure, invalid, lease, remediation_request

ACCEPTED = (
    "the body of the request was in an unknown format - accepted media types include: "
    "application/json, application/yaml, application/vnd.kubernetes.protobuf"
)
LARGE = 1_600_000


class TestType:
    async def test_other_than_json_is_refused(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1"), content_type="text/plain")
        assert reply.status == 415
        assert reply.body == failure(415, "UnsupportedMediaType", ACCEPTED)

    async def test_none_is_taken_for_json(self, api: Client, rrs: str):
        assert (await api.post(rrs, remediation_request("rr-1"), content_type="")).status == 201

    async def test_parameters_are_allowed(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1"), content_type="application/json; charset=utf-8")
        assert reply.status == 201


class TestContent:
    @pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"[]", b'"text"'])
    async def test_no_json_object(self, api: Client, rrs: str, body: bytes):
        reply = await api.post(rrs, body)
        start = (
            "the object provided is unrecognized (must be of type RemediationRequest): "
            "couldn't get version/kind; json parse error: "
        )
        assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
        assert reply.body["message"].startswith(start)

    async def test_no_kind(self, api: Client, rrs: str):
        reply = await api.post(rrs, {"apiVersion": f"{GROUP}/v1alpha1"})
        start = "the object provided is unrecognized (must be of type RemediationRequest): Object 'Kind' is missing"
        assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
        assert reply.body["message"].startswith(start)

    async def test_another_kind(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1") | {"kind": "Foo"})
        wrong = cause("kind", 'Invalid value: "Foo": must be RemediationRequest')
        assert reply.body == invalid(GROUP, "Foo", "rr-1", wrong)

    async def test_another_kind_by_patch(self, api: Client, rrs: str, made: Any):
        reply = await api.patch(f"{rrs}/rr-1", {"kind": "Foo"})
        wrong = cause("kind", 'Invalid value: "Foo": must be RemediationRequest')
        assert reply.body == invalid(GROUP, "Foo", "rr-1", wrong)

    @pytest.mark.parametrize("version", ["", "v1", f"{GROUP}/v2"])
    async def test_another_version(self, api: Client, rrs: str, version: str):
        reply = await api.post(rrs, remediation_request("rr-1") | {"apiVersion": version})
        message = f"the API version in the data ({version}) does not match the expected API version ({GROUP}/v1alpha1)"
        assert reply.body == failure(400, "BadRequest", message)

    @pytest.mark.parametrize("other", [{"kind": "Pod", "apiVersion": "v1"}, {"kind": "Foo"}, {"apiVersion": "v5"}])
    async def test_another_built_in_kind(self, api: Client, leases: str, other: Any):
        reply = await api.post(leases, lease("l") | other)
        assert (reply.status, reply.body["reason"]) == (400, "BadRequest")

    @pytest.mark.parametrize(
        ("metadata", "why"),
        [
            ("text", "string into Go value of type v1.ObjectMeta"),
            ({"name": 5}, "number into Go struct field ObjectMeta.name of type string"),
            ({"name": "rr-1", "labels": {"a": 1}}, "number into Go struct field ObjectMeta.labels of type string"),
            (
                {"name": "rr-1", "labels": []},
                "array into Go struct field ObjectMeta.labels of type map[string]string",
            ),
            (
                {"name": "rr-1", "finalizers": [True]},
                "bool into Go struct field ObjectMeta.finalizers of type string",
            ),
        ],
    )
    async def test_metadata_of_another_type(self, api: Client, rrs: str, metadata: Any, why: str):
        reply = await api.post(rrs, remediation_request("rr-1") | {"metadata": metadata})
        message = (
            'RemediationRequest in version "v1alpha1" cannot be handled as a RemediationRequest: '
            f"json: cannot unmarshal {why}"
        )
        assert reply.body == failure(400, "BadRequest", message)

    async def test_a_spec_of_another_type(self, api: Client, leases: str):
        reply = await api.post(leases, lease("l") | {"spec": "text"})
        assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
        assert "json: cannot unmarshal string into Go struct field Lease.spec of type" in reply.body["message"]

    async def test_unknown_metadata_is_dropped_with_a_warning(self, api: Client, leases: str):
        reply = await api.post(leases, lease("l", meta={"color": "red"}))
        assert reply.status == 201
        assert "color" not in reply.body["metadata"]
        assert reply.headers["Warning"] == '299 - "unknown field \\"metadata.color\\""'

    async def test_empty_metadata_is_dropped(self, api: Client, rrs: str):
        empty: dict[str, Any] = {"labels": {}, "annotations": {}, "finalizers": [], "ownerReferences": []}
        metadata = (await api.post(rrs, remediation_request("rr-1", meta=empty))).body["metadata"]
        assert not set(empty) & set(metadata)


class TestSize:
    async def test_more_than_three_mib_is_refused(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1", originalPayload="x" * 3 * 1024 * 1024))
        message = "Request entity too large: limit is 3145728"
        assert reply.status == 413
        assert reply.body == failure(413, "RequestEntityTooLarge", message)

    async def test_more_than_etcd_takes_is_a_500_that_no_retry_cures(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1", originalPayload="x" * LARGE))
        assert reply.status == 500
        assert reply.body == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "etcdserver: request is too large",
            "code": 500,
        }
        assert (await api.get(f"{rrs}/rr-1")).status == 404

    async def test_from_two_mib_on_the_api_servers_client_says_so_in_its_own_words(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1", originalPayload="x" * 2_300_000))
        start = "rpc error: code = ResourceExhausted desc = trying to send message larger than max ("
        assert (reply.status, reply.body.get("reason"), reply.body["code"]) == (500, None, 500)
        assert reply.body["message"].startswith(start)

    async def test_a_little_less_is_stored(self, api: Client, rrs: str):
        assert (await api.post(rrs, remediation_request("rr-1", originalPayload="x" * 1_500_000))).status == 201

    async def test_an_update_that_grows_beyond_it_too(self, api: Client, rrs: str, made: Any):
        reply = await api.patch(f"{rrs}/rr-1/status", {"status": {"log": "x" * LARGE}})
        assert (reply.status, reply.body["message"]) == (500, "etcdserver: request is too large")


class TestOptions:
    async def test_an_unknown_validation_is_refused(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1"), fieldValidation="Maybe")
        wrong = cause(
            "fieldValidation",
            'Unsupported value: "Maybe": supported values: "", "Ignore", "Strict", "Warn"',
            "FieldValueNotSupported",
        )
        assert reply.body == invalid("meta.k8s.io", "CreateOptions", "", wrong)

    async def test_a_manager_of_more_than_128_bytes_is_refused(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1"), fieldManager="x" * 129)
        wrong = cause("fieldManager", "Too long: may not be more than 128 bytes", "FieldValueTooLong")
        assert reply.body == invalid("meta.k8s.io", "CreateOptions", "", wrong)

    async def test_a_long_user_agent_is_cut(self, api: Client, leases: str):
        reply = await api.post(leases, lease("l"), headers={"User-Agent": "x" * 200 + "/1"})
        assert reply.body["metadata"]["managedFields"][0]["manager"] == "x" * 128

    async def test_no_user_agent_is_an_unknown_manager(self, api: Client, leases: str):
        reply = await api.post(leases, lease("l"), headers={"User-Agent": ""})
        assert reply.body["metadata"]["managedFields"][0]["manager"] == "unknown"

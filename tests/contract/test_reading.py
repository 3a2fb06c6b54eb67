from typing import Any

import pytest

from tests.contract.client import PARTIAL, Client
from tests.contract.objects import GROUP, LEASE_GROUP, failure, lease, remediation_request

OTHER = "b" * 64
JSON_ONLY = (
    "only the following media types are accepted: application/json, application/yaml, "
    "application/vnd.kubernetes.protobuf"
)


def names(body: Any) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


@pytest.fixture
async def three(api: Client, rrs: str) -> list[Any]:
    """Two RRs of one fingerprint and one of another, made in no order of names."""
    made = [
        remediation_request("rr-c", meta={"labels": {"tier": "a"}}),
        remediation_request("rr-a", severity="low", meta={"labels": {"tier": "b", "old": "yes"}}),
        remediation_request("rr-b", signalFingerprint=OTHER, clusterID="west"),
    ]
    return [(await api.post(rrs, body)).body for body in made]


class TestGet:
    async def test_gives_the_object(self, api: Client, rrs: str, made: Any):
        assert (await api.get(f"{rrs}/rr-1")).body == made

    async def test_from_the_watch_cache(self, api: Client, rrs: str, made: Any):
        reply = await api.get(f"{rrs}/rr-1", resourceVersion=made["metadata"]["resourceVersion"])
        assert reply.body == made

    async def test_of_a_missing_object(self, api: Client, rrs: str):
        reply = await api.get(f"{rrs}/rr-1")
        details = {"name": "rr-1", "group": GROUP, "kind": "remediationrequests"}
        message = f'remediationrequests.{GROUP} "rr-1" not found'
        assert reply.status == 404
        assert reply.body == failure(404, "NotFound", message, **details)

    async def test_in_a_missing_namespace(self, api: Client):
        path = "/apis/coordination.k8s.io/v1/namespaces/never-made/leases/l"
        details = {"name": "l", "group": LEASE_GROUP, "kind": "leases"}
        expected = failure(404, "NotFound", 'leases.coordination.k8s.io "l" not found', **details)
        assert (await api.get(path)).body == expected

    async def test_metadata_only(self, api: Client, rrs: str, made: Any):
        reply = await api.get(f"{rrs}/rr-1", headers={"Accept": PARTIAL})
        assert reply.body == {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": made["metadata"],
        }

    async def test_metadata_only_where_it_can_be_had(self, api: Client, rrs: str, made: Any):
        accept = "application/json;as=Nonsense;g=meta.k8s.io;v=v1, application/json"
        assert (await api.get(f"{rrs}/rr-1", headers={"Accept": accept})).body == made

    @pytest.mark.parametrize(
        "accept", ["text/plain", PARTIAL.replace("v=v1", "v1"), PARTIAL.replace("meta.k8s.io", "x")]
    )
    async def test_nothing_the_server_has(self, api: Client, rrs: str, made: Any, accept: str):
        reply = await api.get(f"{rrs}/rr-1", headers={"Accept": accept})
        assert reply.status == 406
        assert reply.body == failure(406, "NotAcceptable", JSON_ONLY)

    async def test_of_a_subresource_that_is_not_there(self, api: Client, rrs: str, made: Any):
        reply = await api.get(f"{rrs}/rr-1/nonsense")
        details = {"name": "rr-1", "group": GROUP, "kind": "remediationrequests"}
        message = f'remediationrequests.{GROUP} "rr-1" not found'
        assert reply.body == failure(404, "NotFound", message, **details)


class TestList:
    async def test_is_in_the_order_of_names(self, api: Client, rrs: str, three: list[Any]):
        reply = await api.get(rrs)
        assert reply.body["kind"] == "RemediationRequestList"
        assert reply.body["apiVersion"] == f"{GROUP}/v1alpha1"
        assert names(reply.body) == ["rr-a", "rr-b", "rr-c"]
        assert reply.body["items"] == sorted(three, key=lambda item: item["metadata"]["name"])

    async def test_shows_the_revision(self, api: Client, rrs: str, three: list[Any]):
        metadata = (await api.get(rrs)).body["metadata"]
        assert set(metadata) == {"resourceVersion", "continue"}
        assert int(metadata["resourceVersion"]) >= int(three[-1]["metadata"]["resourceVersion"])

    async def test_items_of_built_in_kinds_do_not_repeat_their_kind(self, api: Client, leases: str):
        made = (await api.post(leases, lease("l"))).body
        (item,) = (await api.get(leases)).body["items"]
        assert item == {"metadata": made["metadata"], "spec": made["spec"]}

    async def test_of_a_namespace_without_any(self, api: Client, leases: str):
        reply = await api.get(leases)
        assert (reply.status, reply.body["items"]) == (200, [])

    async def test_of_a_missing_namespace_is_empty(self, api: Client):
        reply = await api.get("/apis/coordination.k8s.io/v1/namespaces/never-made/leases")
        assert (reply.status, reply.body["items"]) == (200, [])

    async def test_of_all_namespaces(self, api: Client, namespace: str, three: list[Any]):
        reply = await api.get(f"/apis/{GROUP}/v1alpha1/remediationrequests")
        mine = [item for item in reply.body["items"] if item["metadata"]["namespace"] == namespace]
        assert mine == sorted(three, key=lambda item: item["metadata"]["name"])

    async def test_metadata_only(self, api: Client, rrs: str, three: list[Any]):
        accept = PARTIAL.replace("PartialObjectMetadata", "PartialObjectMetadataList")
        reply = await api.get(rrs, headers={"Accept": accept})
        assert reply.body["kind"] == "PartialObjectMetadataList"
        assert reply.body["apiVersion"] == "meta.k8s.io/v1"
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        assert reply.body["items"][0] == partial | {"metadata": three[1]["metadata"]}


class TestFieldSelectors:
    @pytest.mark.parametrize(
        ("selector", "expected"),
        [
            (f"spec.signalFingerprint={'a' * 64}", ["rr-a", "rr-c"]),
            (f"spec.signalFingerprint=={OTHER}", ["rr-b"]),
            (f"spec.signalFingerprint!={OTHER}", ["rr-a", "rr-c"]),
            (f"spec.signalFingerprint={'a' * 64},spec.severity=low", ["rr-a"]),
            ("spec.signalType=prometheus-alert,metadata.name!=rr-a", ["rr-b", "rr-c"]),
            ("spec.clusterID=", ["rr-a", "rr-c"]),
            ("spec.clusterID!=", ["rr-b"]),
            ("metadata.name=rr-b", ["rr-b"]),
            (f"spec.signalFingerprint={'c' * 64}", []),
            ("", ["rr-a", "rr-b", "rr-c"]),
        ],
    )
    async def test_select(self, api: Client, rrs: str, three: list[Any], selector: str, expected: list[str]):
        assert names((await api.get(rrs, fieldSelector=selector)).body) == expected

    async def test_of_the_namespace(self, api: Client, namespace: str, rrs: str, three: list[Any]):
        assert names((await api.get(rrs, fieldSelector=f"metadata.namespace={namespace}")).body)
        assert not names((await api.get(rrs, fieldSelector="metadata.namespace=other")).body)

    async def test_that_are_not_selectable_are_refused(self, api: Client, rrs: str):
        reply = await api.get(rrs, fieldSelector="spec.signalName=HighMemoryUsage")
        assert reply.status == 400
        assert reply.body == failure(400, "BadRequest", "field label not supported: spec.signalName")

    async def test_that_are_unknown_to_a_lease_are_refused(self, api: Client, leases: str):
        reply = await api.get(leases, fieldSelector="spec.holderIdentity=a")
        message = '"spec.holderIdentity" is not a known field selector: only "metadata.name", "metadata.namespace"'
        assert reply.body == failure(400, "BadRequest", message)

    async def test_that_are_unknown_to_a_pod_are_refused(self, api: Client, namespace: str):
        reply = await api.get(f"/api/v1/namespaces/{namespace}/pods", fieldSelector="spec.color=red")
        assert reply.body == failure(400, "BadRequest", "field label not supported: spec.color")

    async def test_that_make_no_sense_are_refused(self, api: Client, rrs: str):
        reply = await api.get(rrs, fieldSelector="nonsense")
        message = "invalid selector: 'nonsense'; can't understand 'nonsense'"
        assert reply.body == failure(400, "BadRequest", message)


class TestLabelSelectors:
    @pytest.mark.parametrize(
        ("selector", "expected"),
        [
            ("tier=a", ["rr-c"]),
            ("tier==a", ["rr-c"]),
            ("tier!=a", ["rr-a", "rr-b"]),
            ("tier", ["rr-a", "rr-c"]),
            ("!tier", ["rr-b"]),
            ("tier in (a, b)", ["rr-a", "rr-c"]),
            ("tier notin (a)", ["rr-a", "rr-b"]),
            ("tier in (a,b),old=yes", ["rr-a"]),
            ("tier,!old", ["rr-c"]),
            ("", ["rr-a", "rr-b", "rr-c"]),
        ],
    )
    async def test_select(self, api: Client, rrs: str, three: list[Any], selector: str, expected: list[str]):
        assert names((await api.get(rrs, labelSelector=selector)).body) == expected

    async def test_that_make_no_sense_are_refused(self, api: Client, rrs: str):
        reply = await api.get(rrs, labelSelector="a===b")
        assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
        assert reply.body["message"].startswith("unable to parse requirement: ")


class TestRevisions:
    async def test_a_list_from_the_watch_cache_catches_up(self, api: Client, rrs: str, made: Any):
        """resourceVersion=0 promises nothing; not older than a revision is a promise."""
        version = made["metadata"]["resourceVersion"]
        assert names((await api.get(rrs, resourceVersion=version)).body) == ["rr-1"]
        assert (await api.get(rrs, resourceVersion="0")).status == 200

    async def test_that_were_never_reached_time_out(self, api: Client, rrs: str, made: Any):
        reply = await api.get(rrs, resourceVersion="999999999")
        assert (reply.status, reply.body["reason"]) == (504, "Timeout")
        assert reply.body["message"].startswith("Timeout: Too large resource version: 999999999, current: ")
        assert reply.body["details"] == {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }

    async def test_that_are_no_numbers_are_refused(self, api: Client, rrs: str):
        reply = await api.get(rrs, resourceVersion="abc")
        message = (
            'invalid resource version: resourceVersion: Invalid value: "abc": '
            'strconv.ParseUint: parsing "abc": invalid syntax'
        )
        assert reply.body == failure(400, "BadRequest", message)

    async def test_count_all_kinds_together(self, api: Client, rrs: str, leases: str, made: Any):
        later = (await api.post(leases, lease("l"))).body
        assert int(later["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


class TestTime:
    async def test_every_answer_has_the_servers_date(self, api: Client, leases: str, rrs: str):
        for path in (leases, f"{rrs}/missing", "/readyz", "/nonsense"):
            assert (await api.get(path)).headers["Date"].endswith(" GMT")

from typing import Any

import pytest

from tests.contract.client import JSON_PATCH, STRATEGIC, Client, Server
from tests.contract.objects import (
    FINGERPRINT,
    GROUP,
    MODIFIED,
    UNCHECKED,
    cause,
    failure,
    invalid,
    remediation_request,
    same_moment,
)

OF_REQUEST = {"name": "rr-1", "group": GROUP, "kind": "remediationrequests"}
RESOURCE = f"remediationrequests.{GROUP}"
IMMUTABLE = cause("spec", "Invalid value: spec is immutable after creation")
REQUIRED = "Required value"
# What our definition gives a status by default.
SEEN_ONCE = {"deduplication": {"occurrenceCount": 1}}
PHASES = (
    '"Pending", "Processing", "Analyzing", "AwaitingApproval", "Executing", "Verifying", "Blocked", '
    '"Completed", "Failed", "TimedOut", "Skipped", "Cancelled"'
)


def body_says(field: str, what: str) -> str:
    return f"spec.{field} in body {what}"


class TestCreation:
    async def test_the_server_sets_what_is_its_own(self, made: Any, namespace: str):
        metadata = made["metadata"]
        assert metadata["namespace"] == namespace
        assert metadata["generation"] == 1
        assert made["spec"] == remediation_request("rr-1")["spec"]
        (entry,) = metadata["managedFields"]
        assert same_moment(entry.pop("time"), metadata["creationTimestamp"])
        assert entry == {
            "manager": "contract",
            "operation": "Update",
            "apiVersion": f"{GROUP}/v1alpha1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:spec": {
                    ".": {},
                    "f:firingTime": {},
                    "f:receivedTime": {},
                    "f:severity": {},
                    "f:signalFingerprint": {},
                    "f:signalLabels": {".": {}, "f:alertname": {}},
                    "f:signalName": {},
                    "f:signalType": {},
                    "f:targetResource": {".": {}, "f:kind": {}, "f:name": {}, "f:namespace": {}},
                    "f:targetType": {},
                }
            },
        }

    async def test_status_is_not_taken_from_it(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1") | {"status": {"overallPhase": "Completed"}})
        assert reply.status == 201
        assert reply.body["status"] == SEEN_ONCE

    async def test_a_second_one_of_the_name_is_refused(self, api: Client, rrs: str, made: Any):
        reply = await api.post(rrs, remediation_request("rr-1"))
        assert reply.status == 409
        assert reply.body == failure(409, "AlreadyExists", f'{RESOURCE} "rr-1" already exists', **OF_REQUEST)

    async def test_an_invalid_one_of_a_taken_name_is_invalid_first(self, api: Client, rrs: str, made: Any):
        reply = await api.post(rrs, remediation_request("rr-1", severity=""))
        assert (reply.status, reply.body["reason"]) == (422, "Invalid")

    async def test_generate_name(self, api: Client, rrs: str):
        body = remediation_request("", meta={"generateName": "rr-"})
        names = {(await api.post(rrs, body)).body["metadata"]["name"] for _ in range(3)}
        assert len(names) == 3
        assert all(name.startswith("rr-") and len(name) == 8 for name in names)

    async def test_unknown_fields_are_dropped_with_a_warning(self, api: Client, rrs: str):
        body = remediation_request("rr-1", color="red", targetResource={"kind": "Pod", "name": "p", "size": 3})
        reply = await api.post(rrs, body)
        assert reply.status == 201
        assert "color" not in reply.body["spec"]
        assert reply.body["spec"]["targetResource"] == {"kind": "Pod", "name": "p"}
        warnings = ", ".join(reply.headers.getall("Warning"))
        assert warnings == (
            '299 - "unknown field \\"spec.color\\"", 299 - "unknown field \\"spec.targetResource.size\\""'
        )

    async def test_unknown_fields_are_refused_under_strict_validation(self, api: Client, rrs: str):
        body = remediation_request("rr-1", color="red", targetResource={"kind": "Pod", "name": "p", "size": 3})
        reply = await api.post(rrs, body, fieldValidation="Strict")
        message = (
            'RemediationRequest in version "v1alpha1" cannot be handled as a RemediationRequest: '
            'strict decoding error: unknown field "spec.color", unknown field "spec.targetResource.size"'
        )
        assert reply.body == failure(400, "BadRequest", message)

    async def test_unknown_fields_are_dropped_in_silence_on_demand(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1", color="red"), fieldValidation="Ignore")
        assert reply.status == 201
        assert "Warning" not in reply.headers

    async def test_a_null_stands_for_an_absent_field(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1", clusterID=None))
        assert reply.status == 201
        assert "clusterID" not in reply.body["spec"]

    async def test_all_optional_fields(self, api: Client, rrs: str):
        spec: dict[str, Any] = {
            "signalSource": "alertmanager",
            "clusterID": "c" * 253,
            "environment": "production",
            "priority": "P0",
            "signalAnnotations": {"runbook": "x" * 262_144},
            "signalLabels": {"anything": "goes here, even this"},
            "providerData": '{"namespace":"prod"}',
            "originalPayload": "e30=",
        }
        reply = await api.post(rrs, remediation_request("rr-1", **spec))
        assert reply.status == 201, reply.body
        assert spec.items() <= reply.body["spec"].items()


class TestInvalid:
    @pytest.mark.parametrize(
        ("spec", "field", "message"),
        [
            (
                {"signalFingerprint": "zz"},
                "signalFingerprint",
                f'Invalid value: "zz": {body_says("signalFingerprint", "should match")} ' + "'^[a-f0-9]{64}$'",
            ),
            (
                {"signalFingerprint": FINGERPRINT + "\n"},
                "signalFingerprint",
                f'Invalid value: "{FINGERPRINT}\\n": {body_says("signalFingerprint", "should match")} '
                "'^[a-f0-9]{64}$'",
            ),
            (
                {"severity": ""},
                "severity",
                f'Invalid value: "": {body_says("severity", "should be at least 1 chars long")}',
            ),
            (
                {"targetResource": {"kind": "", "name": "web"}},
                "targetResource.kind",
                f'Invalid value: "": {body_says("targetResource.kind", "should be at least 1 chars long")}',
            ),
        ],
    )
    async def test_a_value_that_does_not_fit(self, api: Client, rrs: str, spec: Any, field: str, message: str):
        reply = await api.post(rrs, remediation_request("rr-1", **spec))
        assert reply.status == 422
        expected = invalid(GROUP, "RemediationRequest", "rr-1", cause(f"spec.{field}", message))
        assert reply.body == expected

    @pytest.mark.parametrize(
        ("spec", "field", "reason", "message"),
        [
            ({"signalName": ...}, "signalName", "FieldValueRequired", REQUIRED),
            ({"firingTime": None}, "firingTime", "FieldValueRequired", REQUIRED),
            ({"targetResource": {"kind": "Pod"}}, "targetResource.name", "FieldValueRequired", REQUIRED),
            ({"signalName": "x" * 254}, "signalName", "FieldValueTooLong", "Too long: may not be more than 253 bytes"),
            ({"severity": "x" * 51}, "severity", "FieldValueTooLong", "Too long: may not be more than 50 bytes"),
            (
                {"signalSource": "x" * 64},
                "signalSource",
                "FieldValueTooLong",
                "Too long: may not be more than 63 bytes",
            ),
            (
                {"targetType": "mainframe"},
                "targetType",
                "FieldValueNotSupported",
                'Unsupported value: "mainframe": supported values: "kubernetes", "aws", "azure", "gcp", "datadog"',
            ),
            (
                {"severity": 5},
                "severity",
                "FieldValueTypeInvalid",
                f'Invalid value: "integer": {body_says("severity", "must be of type string:")} "integer"',
            ),
            (
                {"signalLabels": []},
                "signalLabels",
                "FieldValueTypeInvalid",
                f'Invalid value: "array": {body_says("signalLabels", "must be of type object:")} "array"',
            ),
            (
                {"signalLabels": {"a": True}},
                "signalLabels.a",
                "FieldValueTypeInvalid",
                f'Invalid value: "boolean": {body_says("signalLabels.a", "must be of type string:")} "boolean"',
            ),
            (
                {"firingTime": "yesterday"},
                "firingTime",
                "FieldValueTypeInvalid",
                f'Invalid value: "yesterday": {body_says("firingTime", "must be of type date-time:")} "yesterday"',
            ),
            (
                {"firingTime": "2026-01-02 03:04:05"},
                "firingTime",
                "FieldValueTypeInvalid",
                'Invalid value: "2026-01-02 03:04:05": '
                f'{body_says("firingTime", "must be of type date-time:")} "2026-01-02 03:04:05"',
            ),
        ],
    )
    async def test_a_value_so_wrong_that_rules_go_unchecked(  # noqa: PLR0917
        self, api: Client, rrs: str, spec: Any, field: str, reason: str, message: str
    ):
        reply = await api.post(rrs, remediation_request("rr-1", **spec))
        assert reply.status == 422
        wrong = cause(f"spec.{field}", message, reason)
        assert reply.body == invalid(GROUP, "RemediationRequest", "rr-1", wrong, UNCHECKED)

    async def test_no_spec(self, api: Client, rrs: str):
        body = {key: value for key, value in remediation_request("rr-1").items() if key != "spec"}
        reply = await api.post(rrs, body)
        missing = cause("spec", REQUIRED, "FieldValueRequired")
        assert reply.body == invalid(GROUP, "RemediationRequest", "rr-1", missing, UNCHECKED)

    async def test_several_faults_are_all_told(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1", signalName=..., severity=..., targetType="mainframe"))
        told = {(one["field"], one["reason"]) for one in reply.body["details"]["causes"]}
        assert told == {
            ("spec.signalName", "FieldValueRequired"),
            ("spec.severity", "FieldValueRequired"),
            ("spec.targetType", "FieldValueNotSupported"),
            ("<nil>", "FieldValueInvalid"),
        }

    @pytest.mark.parametrize("name", ["RR_1", "-rr", "rr..1", "x" * 254])
    async def test_a_name_that_is_no_subdomain(self, api: Client, rrs: str, name: str):
        reply = await api.post(rrs, remediation_request(name))
        causes = reply.body["details"]["causes"]
        assert reply.status == 422
        assert {one["field"] for one in causes} == {"metadata.name"}
        if len(name) > 253:
            assert causes[0]["message"] == f'Invalid value: "{name}": must be no more than 253 characters'
        else:
            rule = (
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
                r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            )
            assert causes == [cause("metadata.name", f'Invalid value: "{name}": {rule}')]

    async def test_no_name(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request(""))
        missing = cause("metadata.name", "Required value: name or generateName is required", "FieldValueRequired")
        assert reply.body == invalid(GROUP, "RemediationRequest", "", missing, UNCHECKED)

    @pytest.mark.parametrize(
        ("metadata", "field", "start"),
        [
            ({"labels": {"a": "b c"}}, "labels", 'Invalid value: "b c": a valid label must be an empty string or'),
            ({"labels": {"a b": "c"}}, "labels", 'Invalid value: "a b": name part must consist of alphanumeric'),
            ({"labels": {"a": "x" * 64}}, "labels", f'Invalid value: "{"x" * 64}": must be no more than 63 bytes'),
            ({"labels": {"x" * 64: "a"}}, "labels", f'Invalid value: "{"x" * 64}": name part must be no more than 63'),
            ({"labels": {"A_b/c": "d"}}, "labels", 'Invalid value: "A_b/c": prefix part a lowercase RFC 1123'),
            ({"labels": {"/c": "d"}}, "labels", 'Invalid value: "/c": prefix part must be non-empty'),
            ({"labels": {"a/b/c": "d"}}, "labels", 'Invalid value: "a/b/c": a valid label key must consist of'),
            ({"labels": {"": "d"}}, "labels", 'Invalid value: "": name part must be non-empty'),
            ({"annotations": {"a b": "c"}}, "annotations", 'Invalid value: "a b": name part must consist of'),
            ({"finalizers": ["a b"]}, "finalizers", 'Invalid value: "a b": name part must consist of'),
        ],
    )
    async def test_bad_metadata(self, api: Client, rrs: str, metadata: Any, field: str, start: str):
        reply = await api.post(rrs, remediation_request("rr-1", meta=metadata))
        assert reply.status == 422, reply.body
        first = reply.body["details"]["causes"][0]
        assert first["field"] == f"metadata.{field}"
        assert first["message"].startswith(start)
        assert first["reason"] == "FieldValueInvalid"

    async def test_annotations_of_more_than_256_kib(self, api: Client, rrs: str):
        reply = await api.post(rrs, remediation_request("rr-1", meta={"annotations": {"a": "x" * 262_144}}))
        message = "Too long: may not be more than 262144 bytes"
        long = cause("metadata.annotations", message, "FieldValueTooLong")
        assert reply.body == invalid(GROUP, "RemediationRequest", "rr-1", long, UNCHECKED)


class TestSpecIsImmutable:
    async def test_for_an_update(self, api: Client, rrs: str, made: Any):
        reply = await api.put(f"{rrs}/rr-1", made | {"spec": made["spec"] | {"severity": "low"}})
        assert reply.status == 422
        assert reply.body == invalid(GROUP, "RemediationRequest", "rr-1", IMMUTABLE)

    async def test_for_a_patch(self, api: Client, rrs: str, made: Any):
        reply = await api.patch(f"{rrs}/rr-1", {"spec": {"severity": "low"}})
        assert reply.body == invalid(GROUP, "RemediationRequest", "rr-1", IMMUTABLE)

    async def test_but_not_metadata(self, api: Client, rrs: str, made: Any):
        reply = await api.patch(f"{rrs}/rr-1", {"metadata": {"labels": {"team": "a"}}})
        assert reply.status == 200
        assert reply.body["metadata"]["labels"] == {"team": "a"}
        assert reply.body["metadata"]["generation"] == 1


class TestUpdate:
    async def test_leaves_status_alone(self, api: Client, rrs: str, made: Any):
        await api.patch(f"{rrs}/rr-1/status", {"status": {"overallPhase": "Pending"}})
        reply = await api.patch(f"{rrs}/rr-1", {"status": {"overallPhase": "Failed"}})
        assert reply.status == 200
        assert reply.body["status"] == {"overallPhase": "Pending", **SEEN_ONCE}

    async def test_of_a_missing_rr_is_not_found(self, api: Client, rrs: str, made: Any):
        reply = await api.put(f"{rrs}/rr-2", remediation_request("rr-2", meta={"resourceVersion": "1"}))
        details = OF_REQUEST | {"name": "rr-2"}
        assert reply.body == failure(404, "NotFound", f'{RESOURCE} "rr-2" not found', **details)

    async def test_without_a_version_is_refused(self, api: Client, rrs: str, made: Any):
        reply = await api.put(f"{rrs}/rr-1", remediation_request("rr-1"))
        missing = cause("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")
        assert reply.body == invalid(GROUP, "remediationrequests", "rr-1", missing)


class TestStatus:
    async def test_a_patch_changes_nothing_else(self, api: Client, rrs: str, made: Any):
        change = {
            "metadata": {"labels": {"team": "a"}, "annotations": {"a": "b"}},
            "spec": {"severity": "low"},
            "status": {"overallPhase": "Pending", "deduplication": {"occurrenceCount": 2}},
        }
        reply = await api.patch(f"{rrs}/rr-1/status", change, headers={"User-Agent": "orchestrator/2"})
        assert reply.status == 200
        assert reply.body["status"] == change["status"]
        assert reply.body["spec"] == made["spec"]
        assert "labels" not in reply.body["metadata"]
        assert reply.body["metadata"]["generation"] == 1

    async def test_the_writer_is_noted_with_the_subresource(self, api: Client, server: Server, rrs: str, made: Any):
        await server.a_second_passes()
        change = {"status": {"overallPhase": "Pending", "deduplication": {"occurrenceCount": 2}}}
        reply = await api.patch(f"{rrs}/rr-1/status", change)
        first, second = reply.body["metadata"]["managedFields"]
        assert first == made["metadata"]["managedFields"][0]
        assert second["time"] > first["time"]
        assert (second["manager"], second["subresource"]) == ("contract", "status")
        assert second["fieldsV1"] == {
            "f:status": {"f:deduplication": {"f:occurrenceCount": {}}, "f:overallPhase": {}},
        }

    async def test_a_patch_of_the_current_version(self, api: Client, rrs: str, made: Any):
        version = made["metadata"]["resourceVersion"]
        change = {"metadata": {"resourceVersion": version}, "status": {"overallPhase": "Pending"}}
        assert (await api.patch(f"{rrs}/rr-1/status", change)).status == 200

    async def test_a_patch_of_an_old_version_is_a_conflict(self, api: Client, rrs: str, made: Any):
        version = made["metadata"]["resourceVersion"]
        await api.patch(f"{rrs}/rr-1/status", {"status": {"overallPhase": "Completed"}})
        change = {
            "metadata": {"resourceVersion": version},
            "status": {"deduplication": {"occurrenceCount": 2}},
        }
        reply = await api.patch(f"{rrs}/rr-1/status", change)
        message = f'Operation cannot be fulfilled on {RESOURCE} "rr-1": {MODIFIED}'
        assert reply.status == 409
        assert reply.body == failure(409, "Conflict", message, **OF_REQUEST)
        assert (await api.get(f"{rrs}/rr-1")).body["status"] == {"overallPhase": "Completed", **SEEN_ONCE}

    async def test_a_patch_minds_no_uid(self, api: Client, rrs: str, made: Any):
        """Only resourceVersion guards a status PATCH: the uid in it is thrown away with the other metadata."""
        change = {"metadata": {"uid": "other"}, "status": {"overallPhase": "Pending"}}
        reply = await api.patch(f"{rrs}/rr-1/status", change)
        assert reply.status == 200
        assert reply.body["metadata"]["uid"] == made["metadata"]["uid"]

    async def test_an_update_minds_the_uid(self, api: Client, rrs: str, made: Any):
        body = made | {"metadata": made["metadata"] | {"uid": "other"}, "status": {"overallPhase": "Pending"}}
        reply = await api.put(f"{rrs}/rr-1/status", body)
        assert (reply.status, reply.body["reason"]) == (409, "Conflict")
        key = f"/registry/{GROUP}/remediationrequests/{made['metadata']['namespace']}/rr-1"
        assert f"Key: {key}, ResourceVersion: 0" in reply.body["message"]

    async def test_an_update_changes_nothing_else(self, api: Client, rrs: str, made: Any):
        body = made | {"spec": made["spec"] | {"severity": "low"}, "status": {"overallPhase": "Pending"}}
        reply = await api.put(f"{rrs}/rr-1/status", body)
        assert reply.status == 200
        assert (reply.body["spec"], reply.body["status"]) == (made["spec"], {"overallPhase": "Pending", **SEEN_ONCE})

    async def test_a_patch_that_changes_nothing_keeps_the_version(
        self, api: Client, server: Server, rrs: str, made: Any
    ):
        change = {"status": {"overallPhase": "Pending", "deduplication": {"occurrenceCount": 2}}}
        first = await api.patch(f"{rrs}/rr-1/status", change)
        await server.a_second_passes()
        second = await api.patch(f"{rrs}/rr-1/status", change)
        assert second.body == first.body

    async def test_fields_of_the_orchestrator_survive(self, api: Client, rrs: str, made: Any):
        change = {"status": {"outcome": "Remediated", "steps": [{"n": 1}, None], "deduplication": {"odd": 1}}}
        reply = await api.patch(f"{rrs}/rr-1/status", change)
        assert reply.body["status"]["outcome"] == "Remediated"
        assert reply.body["status"]["steps"] == [{"n": 1}, None]
        reply = await api.patch(f"{rrs}/rr-1/status", {"status": {"deduplication": {"occurrenceCount": 2}}})
        assert reply.body["status"]["outcome"] == "Remediated"
        assert reply.body["status"]["deduplication"]["occurrenceCount"] == 2

    async def test_an_unknown_phase_is_refused(self, api: Client, rrs: str, made: Any):
        reply = await api.patch(f"{rrs}/rr-1/status", {"status": {"overallPhase": "Done"}})
        message = f'Unsupported value: "Done": supported values: {PHASES}'
        wrong = cause("status.overallPhase", message, "FieldValueNotSupported")
        assert reply.body == invalid(GROUP, "RemediationRequest", "rr-1", wrong, UNCHECKED)

    async def test_a_negative_count_is_refused(self, api: Client, rrs: str, made: Any):
        reply = await api.patch(f"{rrs}/rr-1/status", {"status": {"deduplication": {"occurrenceCount": -1}}})
        message = "Invalid value: -1: deduplication.occurrenceCount in body should be greater than or equal to 0"
        wrong = cause("status.deduplication.occurrenceCount", message)
        assert reply.body == invalid(GROUP, "RemediationRequest", "rr-1", wrong)

    async def test_a_count_that_is_no_number_is_refused(self, api: Client, rrs: str, made: Any):
        reply = await api.patch(f"{rrs}/rr-1/status", {"status": {"deduplication": {"occurrenceCount": "2"}}})
        wrong = cause(
            "status.deduplication.occurrenceCount",
            'Invalid value: "string": deduplication.occurrenceCount in body must be of type integer: "string"',
            "FieldValueTypeInvalid",
        )
        assert reply.body == invalid(GROUP, "RemediationRequest", "rr-1", wrong, UNCHECKED)

    async def test_of_a_missing_rr_is_not_found(self, api: Client, rrs: str):
        reply = await api.patch(f"{rrs}/rr-1/status", {"status": {"overallPhase": "Pending"}})
        assert reply.body == failure(404, "NotFound", f'{RESOURCE} "rr-1" not found', **OF_REQUEST)

    async def test_is_read_like_the_whole(self, api: Client, rrs: str, made: Any):
        assert (await api.get(f"{rrs}/rr-1/status")).body == made


class TestJsonPatch:
    async def test_changes_what_it_says(self, api: Client, rrs: str, made: Any):
        operations = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": made["metadata"]["resourceVersion"]},
            {"op": "add", "path": "/status", "value": {"overallPhase": "Pending", "steps": ["a", "c"]}},
            {"op": "add", "path": "/status/steps/1", "value": "b"},
            {"op": "add", "path": "/status/steps/-", "value": "d"},
            {"op": "copy", "from": "/status/overallPhase", "path": "/status/was"},
            {"op": "replace", "path": "/status/overallPhase", "value": "Failed"},
            {"op": "move", "from": "/status/was", "path": "/status/be~1fore"},
            {"op": "remove", "path": "/status/steps/0"},
        ]
        reply = await api.patch(f"{rrs}/rr-1/status", operations, content_type=JSON_PATCH)
        assert reply.status == 200, reply.body
        assert reply.body["status"] == {
            "overallPhase": "Failed",
            "steps": ["b", "c", "d"],
            "be/fore": "Pending",
            **SEEN_ONCE,
        }

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
            {"op": "replace", "path": "/status/missing/field", "value": 1},
            {"op": "remove", "path": "/spec/missing"},
            {"op": "add", "path": "/metadata/managedFields/9", "value": {}},
            {"op": "frobnicate", "path": "/status", "value": 1},
            {"op": "add", "path": "metadata", "value": {}},
            {"op": "test", "path": "/metadata/generation", "value": True},
            {"op": "remove", "path": ""},
        ],
    )
    async def test_that_does_not_fit_is_refused(self, api: Client, rrs: str, made: Any, operation: Any):
        reply = await api.patch(f"{rrs}/rr-1/status", [operation], content_type=JSON_PATCH)
        message = "the server rejected our request due to an error in our request"
        assert reply.body == failure(422, "Invalid", message, details={})

    async def test_that_is_no_list_is_refused(self, api: Client, rrs: str, made: Any):
        reply = await api.patch(f"{rrs}/rr-1/status", {}, content_type=JSON_PATCH)
        message = "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        assert reply.body == failure(400, "BadRequest", f"error decoding patch: {message}")


class TestPatchesOfOtherKinds:
    @pytest.mark.parametrize("content_type", [STRATEGIC, "text/plain", "application/json"])
    async def test_are_refused(self, api: Client, rrs: str, made: Any, content_type: str):
        reply = await api.patch(f"{rrs}/rr-1/status", {"status": {}}, content_type=content_type)
        message = (
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        )
        assert reply.status == 415
        assert reply.body == failure(415, "UnsupportedMediaType", message)

    async def test_a_merge_patch_that_is_no_object_is_refused(self, api: Client, rrs: str, made: Any):
        reply = await api.patch(f"{rrs}/rr-1/status", [])
        message = "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        assert reply.body == failure(400, "BadRequest", message)

    async def test_a_merge_patch_warns_of_unknown_fields(self, api: Client, rrs: str, made: Any):
        reply = await api.patch(f"{rrs}/rr-1", {"color": "red"})
        assert reply.status == 200
        assert reply.headers["Warning"] == '299 - "unknown field \\"color\\""'

"""What the sentence of a refused call tells an operator."""

import pytest

from core.kube import errors
from core.kube.client import path_of
from core.kube.errors import refusal
from core.kube.resources import LEASES, TOKEN_REVIEWS, Resource, remediation_requests
from core.kube.transport import ApiRequest
from tests.support.scripted import answered, refused

RRS = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")


def call(method: str, resource: Resource = RRS, *, name: str = "", subresource: str = "") -> ApiRequest:
    return ApiRequest(method=method, path=path_of(resource, namespace="ops", name=name, subresource=subresource))


def test_sentence_names_status_call_and_the_servers_own_words():
    answer = refused(409, "Conflict", message="the object has been modified", details={"name": "rr-1"})
    error = refusal(RRS, call("GET", name="rr-1"), answer)
    assert isinstance(error, errors.ConflictError)
    assert (error.status, error.reason, error.detail) == (409, "Conflict", "the object has been modified")
    assert str(error) == (
        "the API server answered 409 to GET /apis/remediation.kubernaut.ai/v1alpha1/namespaces/ops/"
        "remediationrequests/rr-1: the object has been modified"
    )


def test_missing_crd_names_the_file_to_apply():
    error = refusal(RRS, call("GET"), answered(404, b"404 page not found\n"))
    assert isinstance(error, errors.ResourceNotServedError)
    assert str(error).endswith(
        ": 404 page not found; remediationrequests.remediation.kubernaut.ai is not installed here: "
        "apply knative/cluster/crd.yaml to the cluster"
    )


def test_missing_namespace_names_the_setting():
    details = {"name": "ops", "kind": "namespaces"}
    answer = refused(404, "NotFound", message='namespaces "ops" not found', details=details)
    error = refusal(RRS, call("POST"), answer)
    assert isinstance(error, errors.NamespaceNotFoundError)
    assert str(error).endswith(
        'namespaces "ops" not found; create the namespace, or set SLUICE_NAMESPACE to one that exists'
    )


@pytest.mark.parametrize(
    ("request_", "resource", "rule"),
    [
        (call("GET"), RRS, ("remediation.kubernaut.ai", "remediationrequests", "list")),
        (call("GET", name="rr-1"), RRS, ("remediation.kubernaut.ai", "remediationrequests", "get")),
        (call("POST"), RRS, ("remediation.kubernaut.ai", "remediationrequests", "create")),
        (
            call("PATCH", name="rr-1", subresource="status"),
            RRS,
            ("remediation.kubernaut.ai", "remediationrequests/status", "patch"),
        ),
        (call("PUT", LEASES, name="l"), LEASES, ("coordination.k8s.io", "leases", "update")),
        (call("DELETE", LEASES, name="l"), LEASES, ("coordination.k8s.io", "leases", "delete")),
        (call("POST", TOKEN_REVIEWS), TOKEN_REVIEWS, ("authentication.k8s.io", "tokenreviews", "create")),
    ],
)
def test_missing_rule_is_written_as_rbac_wants_it(request_, resource, rule):
    group, plural, verb = rule
    error = refusal(resource, request_, refused(403, "Forbidden", message="forbidden: no rule"))
    assert isinstance(error, errors.ForbiddenError)
    wanted = f'apiGroups: ["{group}"], resources: ["{plural}"], verbs: ["{verb}"]'
    assert ": forbidden: no rule; " in str(error)
    assert str(error).endswith(f"this rule is missing: {wanted}")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_refused_write_may_be_a_quotas_doing_and_a_refused_read_may_not(method):
    error = refusal(RRS, call(method), refused(403, "Forbidden", message="exceeded quota: rrs"))
    assert ("exceeded quota: rrs; if this names a quota or a policy" in str(error)) is (method == "POST")


@pytest.mark.parametrize(
    ("status", "reason", "remedy"),
    [
        (401, "Unauthorized", "look at its service account, or KUBECONFIG"),
        (429, "TooManyRequests", "the API server has too much to do; the same call works later"),
        (500, "InternalError", "the API server has failed; the same call may work later"),
        (503, "ServiceUnavailable", "the API server has failed; the same call may work later"),
        (409, "Conflict", "said"),
        (409, "AlreadyExists", "said"),
        (413, "RequestEntityTooLarge", "no later try can store it; etcd takes 1.5 MiB for an object"),
        (413, "", "said"),
        (422, "Invalid", "said"),
        (400, "BadRequest", "said"),
        (418, "", "said"),
    ],
)
def test_refusal_ends_with_what_to_do_where_the_servers_words_do_not_say_it(status, reason, remedy):
    assert str(refusal(RRS, call("POST"), refused(status, reason, message="said"))).endswith(remedy)


def test_field_that_cannot_be_selected_names_the_file_to_apply():
    look = ApiRequest(method="GET", path=path_of(RRS, namespace="ops"), query={"fieldSelector": "spec.a=b"})
    error = refusal(RRS, look, refused(400, "BadRequest", message="field label not supported: spec.a"))
    assert str(error).endswith("which takes Kubernetes 1.31: apply knative/cluster/crd.yaml")


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0", 0.0), ("", None), ("soon", None), ("-1", None), ("1.5", None)]
)
def test_retry_after_in_seconds_is_read_and_all_else_passed_over(header, seconds):
    answer = refused(429, "TooManyRequests", Retry_After=header)
    assert refusal(RRS, call("POST"), answer).retry_after == seconds


def test_answer_without_retry_after_asks_for_nothing():
    assert refusal(RRS, call("POST"), refused(503)).retry_after is None


@pytest.mark.parametrize("body", [b"<html>Bad Gateway</html>", b"[]", b'"text"', b"null", b"{}", b""])
def test_answer_of_a_proxy_that_is_no_status_is_judged_by_its_code(body):
    error = refusal(RRS, call("POST"), answered(502, body))
    assert isinstance(error, errors.ServerError)
    assert (error.reason, error.detail) == ("", body.decode())


def test_long_and_broken_bodies_are_cut_and_made_readable():
    error = refusal(RRS, call("POST"), answered(500, b"\xff" + b"x" * 10_000))
    assert error.detail == "\ufffd" + "x" * 255


@pytest.mark.parametrize("details", ["text", ["list"], 7])
def test_details_of_a_wrong_type_count_as_none(details):
    answer = answered(404, {"kind": "Status", "details": details})
    assert isinstance(refusal(RRS, call("GET", name="rr-1"), answer), errors.ResourceNotServedError)

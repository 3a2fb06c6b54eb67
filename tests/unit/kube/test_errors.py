"""Every error answer has its class, chosen by status and reason alone."""

import pytest

from core.kube import errors
from core.kube.errors import ApiStatusError, error_class
from tests.support.drawing import real_tree

OBJECT = {"name": "web", "kind": "remediationrequests"}
TABLE = [
    (400, "BadRequest", {}, errors.BadRequestError, "bad_request"),
    (401, "Unauthorized", {}, errors.ApiUnauthorizedError, "unauthorized"),
    (403, "Forbidden", OBJECT, errors.ForbiddenError, "forbidden"),
    (404, "NotFound", OBJECT, errors.NotFoundError, "not_found"),
    (404, "NotFound", {"name": "ns", "kind": "namespaces"}, errors.NamespaceNotFoundError, "namespace_not_found"),
    (404, "NotFound", {}, errors.ResourceNotServedError, "crd_not_installed"),
    (404, "", {}, errors.ResourceNotServedError, "crd_not_installed"),
    (409, "Conflict", OBJECT, errors.ConflictError, "conflict"),
    (409, "", {}, errors.ConflictError, "conflict"),
    (409, "AlreadyExists", OBJECT, errors.AlreadyExistsError, "already_exists"),
    (413, "RequestEntityTooLarge", {}, errors.ObjectTooLargeError, "too_large"),
    (413, "", {}, errors.InvalidObjectError, "invalid"),
    (422, "Invalid", OBJECT, errors.InvalidObjectError, "invalid"),
    (429, "TooManyRequests", {}, errors.ThrottledError, "throttled"),
    (500, "InternalError", {}, errors.ServerError, "server_error"),
    (502, "", {}, errors.ServerError, "server_error"),
    (503, "ServiceUnavailable", {}, errors.ServerError, "server_error"),
    (504, "Timeout", {}, errors.ServerError, "server_error"),
    (405, "MethodNotAllowed", {}, ApiStatusError, "unexpected"),
    (410, "Expired", {}, ApiStatusError, "unexpected"),
    (415, "UnsupportedMediaType", {}, ApiStatusError, "unexpected"),
]


@pytest.mark.parametrize(("status", "reason", "details", "expected", "error_type"), TABLE)
def test_answer_has_its_class(status, reason, details, expected, error_type):
    assert error_class(status=status, reason=reason, details=details) is expected
    assert expected.error_type == error_type


def test_table_reaches_every_class_that_an_answer_can_have():
    drawn = real_tree(ApiStatusError, errors)
    assert {row[3].__name__ for row in TABLE} == set(drawn)


@pytest.mark.parametrize("status", range(400, 600))
def test_every_error_status_has_a_class_and_only_overload_and_server_errors_are_transient(status):
    kind = error_class(status=status, reason="", details={})
    assert issubclass(kind, ApiStatusError)
    assert kind.transient == (status == 429 or status >= 500)


@pytest.mark.parametrize("kind", [errors.ApiUnreachableError, errors.UnreadableAnswerError])
def test_no_answer_is_transient(kind):
    assert kind.transient
    assert kind("lost").retry_after is None


@pytest.mark.parametrize(
    "said",
    [
        "etcdserver: request is too large",
        "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2250987 vs. 2097152)",
    ],
)
def test_object_that_etcd_does_not_take_is_too_large_although_the_api_server_calls_it_its_own_failure(said):
    assert error_class(status=500, reason="", details={}, message=said) is errors.ObjectTooLargeError
    assert error_class(status=500, reason="InternalError", details={}, message=said) is errors.ServerError
    assert error_class(status=503, reason="", details={}, message=said) is errors.ServerError


@pytest.mark.parametrize("said", ["etcdserver: leader changed", "etcdserver: request timed out", ""])
def test_other_words_of_etcd_are_its_failure(said):
    assert error_class(status=500, reason="", details={}, message=said) is errors.ServerError


def test_each_class_has_a_word_of_its_own_for_metrics():
    kinds = [getattr(errors, name) for name in real_tree(errors.KubernetesError, errors)]
    words = [kind.error_type for kind in kinds if kind not in (errors.KubernetesError, ApiStatusError)]
    assert len(set(words)) == len(words)

"""Errors have two texts: whoever runs the gateway reads where its API server is, and a sender never does."""

import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from core import errors
from core.errors import SluiceError, told_of
from core.kube import errors as kube_errors
from core.kube.client import path_of
from core.kube.errors import ApiStatusError, ApiUnreachableError, KubernetesError, refusal
from core.kube.resources import remediation_requests
from core.kube.transport import ApiRequest, ApiResponse
from core.results import failure
from tests.support.scripted import TOO_LONG, refused

ADDRESSES = ("api.shop.internal", "10.96.0.7", "6443")
WORDS = 'Post "https://api.shop.internal:6443/x": dial tcp 10.96.0.7:6443: connect: connection refused'
CAUSE = ApiUnreachableError(f"the Kubernetes API at https://api.shop.internal:6443 did not answer: {WORDS}")
START = datetime(2026, 1, 1, tzinfo=UTC)
RR = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")
CALL = ApiRequest(method="POST", path=path_of(RR, namespace="ns"))

OF_AN_OPERATION: Any = {
    "fingerprint": "f" * 64,
    "namespace": "ns",
    "attempts": 1,
    "start_time": START,
    "now": START,
    "underlying": CAUSE,
}
# Those whose own sentence a sender is told: where there is another's word in it, it is their cause's.
OURS = (errors.PayloadError, errors.AccessError, errors.TransientError)


WRAPPING: dict[type[SluiceError], Callable[[], SluiceError]] = {
    errors.RetryError: lambda: errors.RetryError(
        attempt=1, max_attempts=1, original=CAUSE, error_type="unreachable", is_retryable=True
    ),
    errors.OperationError: lambda: errors.OperationError(
        operation="x", phase="y", correlation_id="z", **OF_AN_OPERATION
    ),
    errors.CRDCreationError: lambda: errors.CRDCreationError(
        crd_name="rr", signal_type="t", signal_name="s", **OF_AN_OPERATION
    ),
    errors.DeduplicationError: lambda: errors.DeduplicationError(dedupe_status="unknown", **OF_AN_OPERATION),
}


def with_addresses(kind: type[SluiceError]) -> SluiceError:
    """An error of this class that knows of the address as it would where it is raised."""
    if kind in WRAPPING:
        return WRAPPING[kind]()
    if issubclass(kind, ApiStatusError):
        return kind(WORDS, status=500, reason="", detail=WORDS)
    if issubclass(kind, OURS):
        error = kind("the gateway's own sentence")
        error.__cause__ = CAUSE
        return error
    return kind(WORDS)


def all_kinds(root: type[SluiceError] = SluiceError) -> Iterator[type[SluiceError]]:
    """Every class of the tree but its root, which nothing raises."""
    for kind in root.__subclasses__():
        yield kind
        yield from all_kinds(kind)


KINDS = sorted(set(all_kinds()), key=lambda kind: kind.__qualname__)
DEPLOYED = [kind for kind in KINDS if not kind.__module__.startswith(("core.local", "tests."))]


def test_all_kinds_are_walked():
    assert len(DEPLOYED) > 25
    assert {errors.RetryError, kube_errors.NotStoredError, errors.ConfigurationError} <= set(DEPLOYED)


@pytest.mark.parametrize("kind", DEPLOYED, ids=lambda kind: kind.__name__)
def test_sender_reads_no_address_in_any_error(kind):
    error = with_addresses(kind)
    for told in (error.told, told_of(error), failure(error, fingerprint="f").error):
        assert told, "a sender needs some sentence"
        assert not [each for each in ADDRESSES if each in told]
    assert pickle.loads(pickle.dumps(error)).told == error.told


@pytest.mark.parametrize("kind", [kind for kind in DEPLOYED if not issubclass(kind, OURS)], ids=lambda k: k.__name__)
def test_log_has_the_address_all_the_same(kind):
    assert "api.shop.internal:6443" in str(with_addresses(kind))
    assert "api.shop.internal:6443" in failure(with_addresses(kind), fingerprint="f").for_the_log


def test_error_that_nobody_foresaw_tells_a_sender_nothing():
    assert not [each for each in ADDRESSES if each in told_of(OSError(WORDS))]
    assert failure(KeyError(WORDS), fingerprint="f").for_the_log == str(KeyError(WORDS))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("form", [refused, lambda status, message: ApiResponse(status, {}, message.encode())])
def test_words_of_the_api_server_and_of_a_proxy_lose_their_addresses(
    status: int, form: Callable[..., ApiResponse]
) -> None:
    error = refusal(RR, CALL, form(status, message=WORDS))
    assert not [each for each in ADDRESSES if each in error.told]
    assert error.told.startswith(f"the API server answered {status} to POST /apis/")
    assert WORDS in str(error)


def test_words_of_the_api_server_are_told_for_the_rest():
    error = refusal(RR, CALL, refused(422, "Invalid", message="spec.severity: Too long", details=TOO_LONG))
    assert error.told == str(error)
    assert "spec.severity: Too long" in error.told


def test_long_words_are_cut_before_they_are_looked_through():
    error = refusal(RR, CALL, refused(500, message="1." * 1_000_000))
    assert len(error.told) < 2_000


def test_every_error_of_the_api_server_tells_what_is_wrong_in_general():
    assert KubernetesError("x").told.startswith("a call to the Kubernetes API failed")
    assert ApiUnreachableError("x").told.startswith("the Kubernetes API did not answer")

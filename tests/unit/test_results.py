"""Send again, or never again."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from core import errors
from core.kube.errors import (
    ApiStatusError,
    ApiUnreachableError,
    BadRequestError,
    ForbiddenError,
    InvalidObjectError,
    KubernetesError,
    ObjectTooLargeError,
    ResourceNotServedError,
    ServerError,
    ThrottledError,
)
from core.results import Status, failure, is_poison, retry_after

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def refused(
    kind: type[ApiStatusError],
    *,
    seconds: float | None = None,
    reason: str = "",
    causes: Sequence[tuple[str, str]] = (),
) -> ApiStatusError:
    return kind("refused", status=400, reason=reason, detail="", retry_after=seconds, causes=causes)


def creation(underlying: Exception) -> errors.CRDCreationError:
    retry = errors.RetryError(attempt=1, max_attempts=3, original=underlying, error_type="x", is_retryable=False)
    return errors.CRDCreationError(
        fingerprint="f" * 64,
        namespace="ops",
        crd_name="rr-1",
        signal_type="alert",
        signal_name="HighMemoryUsage",
        attempts=1,
        start_time=NOW,
        now=NOW,
        underlying=retry,
    )


def deduplication(underlying: Exception) -> errors.DeduplicationError:
    return errors.DeduplicationError(
        fingerprint="f" * 64,
        namespace="ops",
        dedupe_status="unknown",
        attempts=1,
        start_time=NOW,
        now=NOW,
        underlying=underlying,
    )


@pytest.mark.parametrize(("kind", "reason"), [(InvalidObjectError, "Invalid"), (BadRequestError, "BadRequest")])
@pytest.mark.parametrize("field", ["spec.severity", "spec.signalLabels[app]", "spec.targetResource.name"])
def test_object_whose_values_from_the_alert_are_invalid_is_poison(kind, reason, field):
    causes = [(field, "FieldValueTooLong"), ("<nil>", "FieldValueInvalid")]
    error = creation(refused(kind, reason=reason, causes=causes))
    assert is_poison(error)
    result = failure(error, fingerprint="f")
    assert (result.status, result.fingerprint, result.retry_after) == (Status.INVALID, "f", 0.0)
    assert (result.error, result.for_the_log) == (error.told, str(error))


@pytest.mark.parametrize(
    ("kind", "reason", "causes"),
    [
        (BadRequestError, "", []),  # a proxy's page
        (BadRequestError, "BadRequest", []),  # a webhook that denies
        (InvalidObjectError, "Invalid", []),  # a ValidatingAdmissionPolicy
        (InvalidObjectError, "Invalid", [("", ""), ("<nil>", "FieldValueInvalid")]),
        (InvalidObjectError, "Invalid", [("spec.newField", "FieldValueRequired")]),
        (InvalidObjectError, "Invalid", [("spec.severity", "FieldValueRequired")]),
        (InvalidObjectError, "Invalid", [("spec.signalFingerprint", "FieldValueInvalid")]),
        (InvalidObjectError, "Invalid", [("metadata.name", "FieldValueInvalid")]),
        (InvalidObjectError, "Invalid", [("spec.severity", "FieldValueInvalid"), ("spec.new", "FieldValueRequired")]),
        (InvalidObjectError, "RequestEntityTooLarge", []),
    ],
)
def test_refusal_that_the_alert_is_not_to_blame_for_is_to_be_sent_again(kind, reason, causes):
    result = failure(creation(refused(kind, reason=reason, causes=causes)), fingerprint="f")
    assert (result.status, result.retry_after) == (Status.FAILED, 1.0)


@pytest.mark.parametrize("wrapped", [creation, deduplication])
def test_object_that_is_too_large_to_be_stored_is_poison_whether_it_is_created_or_counted_on(wrapped):
    result = failure(wrapped(refused(ObjectTooLargeError)), fingerprint="f")
    assert (result.status, result.retry_after) == (Status.INVALID, 0.0)


@pytest.mark.parametrize("kind", [ForbiddenError, ResourceNotServedError, ServerError, ThrottledError])
def test_what_people_can_mend_is_no_poison(kind):
    result = failure(creation(refused(kind)), fingerprint="f")
    assert (result.status, result.retry_after) == (Status.FAILED, 1.0)


@pytest.mark.parametrize(
    "error",
    [
        errors.DeadlineExceededError("late"),
        errors.ContentionError("others won"),
        ApiUnreachableError("no answer"),
        deduplication(refused(BadRequestError)),
        refused(InvalidObjectError),
    ],
)
def test_failure_of_anything_but_the_creation_is_no_poison(error):
    assert not is_poison(error)
    assert failure(error, fingerprint="").status is Status.FAILED


def test_wait_is_a_second_where_nobody_asks_for_more():
    assert retry_after(KubernetesError("failed")) == 1.0
    assert retry_after(ValueError("a bug")) == 1.0


def test_wait_is_the_longest_that_any_cause_asks_for():
    assert retry_after(creation(refused(ThrottledError, seconds=17.0))) == 17.0
    assert retry_after(errors.CircuitOpenError("open", retry_after=29.5)) == 29.5
    assert failure(deduplication(refused(ServerError, seconds=3.0)), fingerprint="").retry_after == 3.0


def test_shorter_wait_than_a_second_is_not_passed_on():
    assert retry_after(refused(ThrottledError, seconds=0.0)) == 1.0

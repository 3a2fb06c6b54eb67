"""Fields and message formats of kubernaut's errors."""

import copy
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import (
    CircuitOpenError,
    CRDCreationError,
    DeduplicationError,
    OperationError,
    PayloadError,
    RetryError,
    format_duration,
)
from core.kube.errors import ServerError

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CAUSE = ServerError("the API server is down", status=503, reason="ServiceUnavailable", detail="down")


def test_operation_error_tells_all_that_helps():
    error = OperationError(
        operation="create_remediation_request",
        phase="crd_creation",
        fingerprint="abc123",
        namespace="default",
        correlation_id="rr-pod-crash-abc123",
        attempts=3,
        start_time=START,
        now=START + timedelta(seconds=1.5),
        underlying=CAUSE,
    )
    assert str(error) == (
        "create_remediation_request failed: phase=crd_creation, fingerprint=abc123, namespace=default, attempts=3, "
        "duration=1.5s, correlation=rr-pod-crash-abc123: the API server is down"
    )
    assert (error.operation, error.phase, error.fingerprint) == ("create_remediation_request", "crd_creation", "abc123")
    assert (error.namespace, error.correlation_id, error.attempts) == ("default", "rr-pod-crash-abc123", 3)
    assert (error.start_time, error.duration) == (START, timedelta(seconds=1.5))
    assert error.underlying is error.__cause__ is CAUSE


def test_creation_error_adds_the_rr_and_the_signal():
    error = CRDCreationError(
        fingerprint="abc123",
        namespace="default",
        crd_name="rr-abc123-0a1b2c3d",
        signal_type="prometheus-alert",
        signal_name="HighMemoryUsage",
        attempts=3,
        start_time=START,
        now=START + timedelta(milliseconds=12),
        underlying=CAUSE,
    )
    assert str(error) == (
        "create_remediation_request failed: phase=crd_creation, fingerprint=abc123, namespace=default, attempts=3, "
        "duration=12ms, correlation=rr-abc123-0a1b2c3d: the API server is down "
        "(crd_name=rr-abc123-0a1b2c3d, signal_type=prometheus-alert, signal_name=HighMemoryUsage)"
    )
    assert error.crd_name == error.correlation_id == "rr-abc123-0a1b2c3d"
    assert (error.signal_type, error.signal_name) == ("prometheus-alert", "HighMemoryUsage")
    assert error.underlying is error.__cause__ is CAUSE


def test_deduplication_error_adds_what_was_known():
    error = DeduplicationError(
        fingerprint="abc123",
        namespace="default",
        dedupe_status="unknown",
        attempts=1,
        start_time=START,
        now=START,
        underlying=CAUSE,
    )
    assert str(error) == (
        "check_deduplication failed: phase=deduplication, fingerprint=abc123, namespace=default, attempts=1, "
        "duration=0ms, correlation=abc123: the API server is down (dedupe_status=unknown)"
    )
    assert (error.dedupe_status, error.correlation_id) == ("unknown", "abc123")
    assert error.underlying is error.__cause__ is CAUSE


def test_retry_error_tells_tries_and_cause():
    error = RetryError(attempt=3, max_attempts=3, original=CAUSE, error_type="server_error", is_retryable=True)
    assert str(error) == "operation failed after 3/3 attempts (server_error, retryable): the API server is down"
    assert (error.attempt, error.max_attempts) == (3, 3)
    assert (error.error_type, error.is_retryable) == ("server_error", True)
    assert error.original is error.__cause__ is CAUSE


def test_retry_error_tells_that_another_try_would_not_help():
    error = RetryError(attempt=1, max_attempts=3, original=CAUSE, error_type="invalid", is_retryable=False)
    assert str(error) == "operation failed after 1/3 attempts (invalid, not retryable): the API server is down"


TIMES: dict[str, Any] = {"start_time": START, "now": START + timedelta(seconds=2)}
WHERE: dict[str, Any] = {"fingerprint": "abc123", "namespace": "default", "attempts": 2}
PICKLED = [
    CAUSE,
    RetryError(attempt=3, max_attempts=3, original=CAUSE, error_type="server_error", is_retryable=True),
    OperationError(operation="o", phase="p", correlation_id="c", underlying=CAUSE, **WHERE, **TIMES),
    CRDCreationError(crd_name="rr", signal_type="t", signal_name="n", underlying=CAUSE, **WHERE, **TIMES),
    DeduplicationError(dedupe_status="new", underlying=KeyError("k"), **WHERE, **TIMES),
    PayloadError("malformed", field="alerts[0]", reason="labels"),
    CircuitOpenError("open", retry_after=7.0),
]


@pytest.mark.parametrize("error", PICKLED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("transport", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
def test_errors_cross_from_process_to_process(error, transport):
    received = transport(error)
    assert type(received) is type(error)
    assert (str(received), received.args) == (str(error), error.args)
    assert received.__dict__.keys() == error.__dict__.keys()
    assert (type(received.__cause__), str(received.__cause__)) == (type(error.__cause__), str(error.__cause__))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0004, "0.4ms"), (0.012, "12ms"), (0.9996, "999.6ms"), (1, "1s"), (1.5, "1.5s"), (61.234, "61.23s")],
)
def test_durations_are_written_the_short_way(seconds, text):
    assert format_duration(timedelta(seconds=seconds)) == text


def test_negative_duration_of_a_clock_set_back_is_still_readable():
    assert format_duration(timedelta(seconds=-2)) == "-2s"


def test_duration_of_hours_is_written_in_digits():
    assert format_duration(timedelta(hours=1, seconds=1)) == "3601s"

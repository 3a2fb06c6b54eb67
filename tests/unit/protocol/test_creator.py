"""How the creator tries, waits, gives up, and knows its own work."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from core.common.clock import MockClock
from core.common.resilience import CircuitBreaker, Deadline
from core.errors import CircuitOpenError, CRDCreationError, DeadlineExceededError, RetryError
from core.kube import errors
from core.kube.client import KubeClient
from core.kube.resources import remediation_requests
from core.kube.transport import ApiRequest, ApiResponse
from core.metrics import Metrics
from core.protocol.creator import CRDCreator, Creation
from core.protocol.remediation_request import RemediationRequestBuilder
from core.signals.signal import NormalizedSignal
from tests.support.instances import fingerprint, signal
from tests.support.scripted import Scripted, answered, refused
from tests.unit.protocol.calls import CREATE, READ

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAME = f"rr-{fingerprint()[:12]}-0a1b2c3d"
LOST = errors.ApiUnreachableError("the answer was lost")
TAKEN = refused(409, "AlreadyExists", details={"name": "rr-1", "kind": "remediationrequests"})


class Slept(MockClock):
    """A clock that writes down the sleeps."""

    def __init__(self) -> None:
        super().__init__(START)
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await super().sleep(seconds)


class Observer:
    """Writes down each RR and each failed try."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, type[BaseException]]] = []
        self.created: list[tuple[str, str, float]] = []

    def on_created(self, signal: NormalizedSignal, name: str, *, seconds: float) -> None:
        self.created.append((signal.fingerprint, name, seconds))

    def on_retry_attempt(self, signal: NormalizedSignal, attempt: int, error: BaseException) -> None:
        self.seen.append((signal.fingerprint, attempt, type(error)))

    @property
    def attempts(self) -> list[int]:
        return [attempt for _, attempt, _ in self.seen]


class Creating:
    """A creator over a script."""

    def __init__(self, *, calls_to_open: int = 10) -> None:
        self.api = Scripted()
        self.clock = Slept()
        self.observer = Observer()
        self.registry = CollectorRegistry()
        self.random = 0.5
        resource = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")
        breaker = CircuitBreaker(clock=self.clock, min_calls=calls_to_open)
        self.creator = CRDCreator(
            client=KubeClient(transport=self.api, breaker=breaker, call_timeout=3.0),
            builder=RemediationRequestBuilder(resource=resource, namespace="ops", payload_encoding="raw"),
            clock=self.clock,
            random=lambda: self.random,
            observer=self.observer,
            metrics=Metrics(registry=self.registry),
        )

    async def create(self, *, seconds: float = 8.0) -> Creation | None:
        deadline = Deadline(clock=self.clock, seconds=seconds)
        return await self.creator.create_remediation_request(signal(), name=NAME, attempt_id="mine", deadline=deadline)

    async def failure(self, *, seconds: float = 8.0) -> CRDCreationError:
        with pytest.raises(CRDCreationError) as caught:
            await self.create(seconds=seconds)
        return caught.value

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    @property
    def created(self) -> float:
        return self.metric("gateway_crds_created_total", source_type="prometheus-alert", status="created")


@pytest.fixture
def creating():
    creating = Creating()
    yield creating
    creating.api.finish()


@pytest.fixture
def fragile():
    """A creator whose breaker opens with the first failure."""
    creating = Creating(calls_to_open=1)
    yield creating
    creating.api.finish()


def stored(request: ApiRequest, *, attempt: str = "") -> ApiResponse:
    """The API server's answer to a CREATE that went well."""
    assert request.body is not None
    body = json.loads(request.body)
    body["metadata"] |= {"uid": "u1", "resourceVersion": "7", "creationTimestamp": "2026-01-02T03:04:05Z"}
    if attempt:
        body["metadata"]["annotations"]["gateway.kubernaut.ai/attempt-id"] = attempt
    return answered(201, body)


def existing(*, attempt: str = "theirs", phase: str = "", of: str = "", name: str = "") -> ApiResponse:
    """A request that stands under the wanted name already."""
    obj: dict[str, Any] = {
        "metadata": {
            "name": name or NAME,
            "namespace": "ops",
            "uid": "u0",
            "resourceVersion": "3",
            "annotations": {"gateway.kubernaut.ai/attempt-id": attempt},
        },
        "spec": {"signalFingerprint": of or fingerprint()},
        "status": {"overallPhase": phase} if phase else {},
    }
    return answered(200, obj)


async def test_created_rr_stands_under_its_fenced_name(creating):
    creating.api.then(CREATE, stored)
    creation = await creating.create()
    assert creation.created
    assert creation.rr.name == NAME
    assert (creation.rr.uid, creation.rr.attempt_id) == ("u1", "mine")
    (sent,) = creating.api.bodies
    assert sent["metadata"]["name"] == creation.rr.name
    assert creating.created == 1
    assert (creating.observer.seen, creating.clock.sleeps) == ([], [])
    seconds = (creating.clock.now() - signal().received_time).total_seconds()
    assert creating.observer.created == [(fingerprint(), NAME, seconds)]


async def test_rr_that_another_created_is_not_told_as_ours(creating):
    creating.api.then(CREATE, TAKEN)
    creating.api.then(READ, existing())
    assert not (await creating.create()).created
    assert creating.observer.created == []


@pytest.mark.parametrize(
    "failed", [refused(429), refused(500), refused(502), refused(503), refused(504), LOST, answered(200, b"no object")]
)
async def test_passing_failure_is_tried_again(creating, failed):
    creating.api.then(CREATE, failed)
    creating.api.then(CREATE, stored)
    assert (await creating.create()).created
    assert creating.observer.attempts == [1]
    assert creating.clock.sleeps == pytest.approx([0.1])


async def test_every_try_sends_the_same_object(creating):
    creating.api.then(CREATE, LOST)
    creating.api.then(CREATE, refused(500))
    creating.api.then(CREATE, stored)
    await creating.create()
    first, second, third = creating.api.bodies
    assert first == second == third


async def test_third_failure_is_the_last(creating):
    for _ in range(3):
        creating.api.then(CREATE, refused(503, "ServiceUnavailable", message="etcd is down"))
    error = await creating.failure()
    assert creating.clock.sleeps == pytest.approx([0.1, 0.2])
    assert creating.observer.seen == [(fingerprint(), attempt, errors.ServerError) for attempt in (1, 2, 3)]
    assert error.attempts == 3
    assert error.duration == timedelta(seconds=0.3)
    assert error.crd_name == error.correlation_id == NAME
    assert (error.namespace, error.signal_name) == ("ops", "HighMemoryUsage")
    retry = error.underlying
    assert isinstance(retry, RetryError)
    assert (retry.attempt, retry.max_attempts, retry.error_type, retry.is_retryable) == (3, 3, "server_error", True)
    assert isinstance(retry.original, errors.ServerError)
    assert "attempts=3, duration=300ms" in str(error)
    assert "operation failed after 3/3 attempts (server_error, retryable): the API server answered 503" in str(error)
    assert "etcd is down" in str(error)
    assert creating.metric("gateway_crd_creation_errors_total", error_type="server_error") == 1
    assert creating.created == 0


@pytest.mark.parametrize(("random", "sleeps"), [(0.0, [0.09, 0.18]), (0.5, [0.1, 0.2]), (1.0, [0.11, 0.22])])
async def test_waits_are_spread_by_a_tenth(creating, random, sleeps):
    creating.random = random
    for _ in range(3):
        creating.api.then(CREATE, LOST)
    await creating.failure()
    assert creating.clock.sleeps == pytest.approx(sleeps)


async def test_retry_after_is_honoured(creating):
    creating.api.then(CREATE, refused(429, Retry_After="2"))
    creating.api.then(CREATE, refused(503, Retry_After="0"))
    creating.api.then(CREATE, stored)
    assert (await creating.create()).created
    assert creating.clock.sleeps == pytest.approx([2.0, 0.2])


@pytest.mark.parametrize("asked", ["8", "60"])
async def test_retry_after_beyond_the_deadline_ends_the_tries_at_once(creating, asked):
    creating.api.then(CREATE, refused(429, "TooManyRequests", Retry_After=asked))
    error = await creating.failure(seconds=8.0)
    assert creating.clock.sleeps == []
    assert error.attempts == 1
    assert error.underlying.original.retry_after == float(asked)
    assert creating.metric("gateway_crd_creation_errors_total", error_type="throttled") == 1


async def test_no_try_is_made_after_the_deadline(creating):
    creating.api.then(CREATE, LOST)
    with pytest.raises(DeadlineExceededError):
        await creating.create(seconds=0.1)
    assert creating.observer.attempts == [1]


@pytest.mark.parametrize(
    ("answer", "error_type"),
    [
        (refused(400, "BadRequest"), "bad_request"),
        (refused(401, "Unauthorized"), "unauthorized"),
        (refused(403, "Forbidden"), "forbidden"),
        (refused(404), "crd_not_installed"),
        (refused(404, details={"name": "ops", "kind": "namespaces"}), "namespace_not_found"),
        (refused(413), "invalid"),
        (refused(422, "Invalid"), "invalid"),
    ],
)
async def test_refusal_is_not_tried_again(creating, answer, error_type):
    creating.api.then(CREATE, answer)
    error = await creating.failure()
    assert error.attempts == 1
    assert (error.underlying.error_type, error.underlying.is_retryable) == (error_type, False)
    assert creating.observer.attempts == [1]
    assert creating.clock.sleeps == []
    assert creating.metric("gateway_crd_creation_errors_total", error_type=error_type) == 1


async def test_breaker_that_opens_between_two_tries_passes(fragile):
    fragile.api.then(CREATE, LOST)
    with pytest.raises(CircuitOpenError):
        await fragile.create()
    assert fragile.observer.attempts == [1]


async def test_open_breaker_passes_at_once_and_is_no_try(fragile):
    fragile.api.then(CREATE, LOST)
    with pytest.raises(CircuitOpenError):
        await fragile.create()
    fragile.clock.sleeps.clear()
    with pytest.raises(CircuitOpenError):
        await fragile.create()
    assert fragile.clock.sleeps == []
    assert fragile.observer.attempts == [1]


async def test_name_taken_by_our_own_lost_try_counts_as_created(creating):
    creating.api.then(CREATE, LOST)
    creating.api.then(CREATE, TAKEN)
    creating.api.then(READ, existing(attempt="mine"))
    creation = await creating.create()
    assert creation.created
    assert creation.rr.uid == "u0"
    assert creating.created == 1


@pytest.mark.parametrize("phase", ["", "Executing", "Completed"])
async def test_name_taken_by_another_creator_is_found_and_not_counted(creating, phase):
    creating.api.then(CREATE, TAKEN)
    creating.api.then(READ, existing(phase=phase))
    creation = await creating.create()
    assert not creation.created
    assert (creation.rr.uid, creation.rr.phase) == ("u0", phase)
    assert creating.created == 0


async def test_name_that_is_free_again_asks_to_look_again(creating):
    creating.api.then(CREATE, TAKEN)
    creating.api.then(READ, refused(404, "NotFound", details={"name": "rr-1", "kind": "remediationrequests"}))
    assert await creating.create() is None


async def test_reading_who_has_the_name_is_tried_again_too(creating):
    creating.api.then(CREATE, TAKEN)
    creating.api.then(READ, LOST)
    creating.api.then(READ, existing())
    assert (await creating.create()).rr.uid == "u0"
    assert creating.clock.sleeps == pytest.approx([0.1])


async def test_failure_to_read_who_has_the_name_is_a_creation_error(creating):
    creating.api.then(CREATE, TAKEN)
    creating.api.then(READ, refused(403, "Forbidden"))
    error = await creating.failure()
    assert "https" not in str(error)
    assert 'verbs: ["get"]' in str(error)


async def test_name_taken_by_another_fingerprint_is_shown_and_not_counted(creating):
    twin = fingerprint()[:12] + fingerprint("other")[12:]
    creating.api.then(CREATE, TAKEN)
    creating.api.then(READ, existing(of=twin))
    creation = await creating.create()
    assert (creation.created, creation.rr.fingerprint) == (False, twin)
    assert creating.created == 0


async def test_success_with_another_attempt_s_object_is_not_believed(creating):
    creating.api.then(CREATE, lambda sent: stored(sent, attempt="theirs"))
    creating.api.then(CREATE, TAKEN)
    creating.api.then(READ, existing(attempt="theirs"))
    creation = await creating.create()
    assert not creation.created
    assert creating.created == 0


@pytest.mark.parametrize("lie", [{}, {"metadata": {"name": "rr-1"}}, {"kind": "Status", "status": "Success"}])
async def test_success_that_is_not_the_request_sent_is_tried_again_under_the_same_name(creating, lie):
    creating.api.then(CREATE, answered(201, lie))
    creating.api.then(CREATE, TAKEN)
    creating.api.then(READ, existing(attempt="mine"))
    creation = await creating.create()
    assert (creation.created, creation.rr.name) == (True, NAME)
    first, second = creating.api.bodies
    assert first == second

"""Creates RRs under the names that Leases stand for (kubernaut: CRDCreator)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from core.common.resilience import Backoff, Random
from core.common.trace_context import admitted_sender, current_trace, request_id
from core.errors import CRDCreationError, RetryError
from core.kube.errors import AlreadyExistsError, KubernetesError, NotFoundError, UnreadableAnswerError
from core.logs import ONCE_A_SECOND
from core.protocol.remediation_request import ATTEMPT_ANNOTATION, read_remediation_request

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from tenacity import RetryCallState

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.kube.client import KubeClient
    from core.metrics import Metrics
    from core.protocol.remediation_request import RemediationRequest, RemediationRequestBuilder
    from core.signals.signal import NormalizedSignal

T = TypeVar("T")

CREATE_RETRY_BACKOFF = Backoff(steps=3, duration=0.100, factor=2.0, jitter=0.1, cap=5.0)
"""Between tries of a CREATE of an RR that failed for a moment."""


class RetryObserver(Protocol):
    """Told of each RR that is created, and of each failed try (kubernaut: RetryObserver)."""

    def on_created(self, signal: NormalizedSignal, name: str, *, seconds: float) -> None:
        """`name` is the RR's; `seconds` have passed since the signal came."""

    def on_retry_attempt(self, signal: NormalizedSignal, attempt: int, error: BaseException) -> None:
        """`attempt` counts from 1; `error` is what that try met."""


class LoggingObserver:
    """A RetryObserver that logs each RR and each failed try, for audits."""

    def __init__(self, *, logger: logging.Logger) -> None:
        self._logger = logger

    def on_created(self, signal: NormalizedSignal, name: str, *, seconds: float) -> None:
        """Log which alert made the RR, of what object, how that was found, and how long it took."""
        self._logger.info(
            "RR %s created",
            name,
            extra=signal.described()
            | {"outcome": "created", "remediation_request": name, "duration_seconds": round(seconds, 3)},
        )

    def on_retry_attempt(self, signal: NormalizedSignal, attempt: int, error: BaseException) -> None:
        """Log the try with the fingerprint it was for."""
        self._logger.warning(
            "try %d to create a RemediationRequest failed: %s",
            attempt,
            error,
            extra={"fingerprint": signal.fingerprint, "attempt": attempt} | ONCE_A_SECOND,
        )


class Creation(NamedTuple):
    """The RR that stands under the name, and whether this attempt put it there."""

    rr: RemediationRequest
    created: bool


class CRDCreator:
    """Turns a signal into an RR."""

    def __init__(
        self,
        *,
        client: KubeClient,
        builder: RemediationRequestBuilder,
        clock: Clock,
        random: Random,
        observer: RetryObserver,
        metrics: Metrics,
        cooldown: float = 0.0,
        backoff: Backoff = CREATE_RETRY_BACKOFF,
    ) -> None:
        self._client = client
        self._builder = builder
        self._clock = clock
        self._random = random
        self._observer = observer
        self._metrics = metrics
        self._cooldown = cooldown
        self._backoff = backoff

    async def create_remediation_request(
        self, signal: NormalizedSignal, *, name: str, attempt_id: str, deadline: Deadline
    ) -> Creation | None:
        """Create an RR under `name`, or find who did (kubernaut: CreateRemediationRequest).

        Args:
            signal: what to create it from.
            name: what the Lease stands for (core.protocol.remediation_request.fenced_name).
            attempt_id: names this attempt; an object carrying it is our own, whatever answer was lost.
            deadline: of the request.

        Returns:
            The RR under that name; None where it was taken and its RR is gone a moment later.

        Raises:
            CRDCreationError: the API server refused, or failed on every try.
            TransientError: the breaker is open or no time is left.
        """
        trace = current_trace.get()
        body = self._builder.build(
            signal,
            name=name,
            attempt_id=attempt_id,
            now=self._clock.now(),
            request_id=request_id.get(),
            trace_id=trace.trace_id if trace else "",
            sender=admitted_sender.get(),
        )
        try:
            rr = await self._retrying(signal, name, partial(self._create, body, deadline), deadline)
            created = True
        except AlreadyExistsError:
            try:
                rr = await self._retrying(signal, name, partial(self._read, name, deadline), deadline)
            except NotFoundError:
                return None
            except CRDCreationError as error:
                error.name_taken = True
                raise
            created = rr.attempt_id == attempt_id
        if created:
            source = self._metrics.source_type(signal_type=signal.signal_type, signal_source=signal.signal_source)
            self._metrics.crds_created.labels(source_type=source, status="created").inc()
            seconds = (self._clock.now() - signal.received_time).total_seconds()
            self._observer.on_created(signal, rr.name, seconds=seconds)
        return Creation(rr, created)

    async def _create(self, body: dict[str, Any], deadline: Deadline) -> RemediationRequest:
        builder = self._builder
        reply = await self._client.create(builder.resource, body, namespace=builder.namespace, deadline=deadline)
        spec = body["spec"]
        rr = read_remediation_request(
            reply,
            name=body["metadata"]["name"],
            fingerprint=spec["signalFingerprint"],
            cooldown=self._cooldown,
        )
        if rr.attempt_id != body["metadata"]["annotations"][ATTEMPT_ANNOTATION]:
            # A proxy answered with another RR, or a webhook removed the annotation: a GET tells what is stored.
            raise UnreadableAnswerError(f"the API server's answer to the CREATE of {rr.name} is not what was sent")
        return rr

    async def _read(self, name: str, deadline: Deadline) -> RemediationRequest:
        builder = self._builder
        reply = await self._client.get(builder.resource, namespace=builder.namespace, name=name, deadline=deadline)
        return read_remediation_request(reply, name=name, cooldown=self._cooldown)

    async def _retrying(
        self, signal: NormalizedSignal, name: str, call: Callable[[], Awaitable[T]], deadline: Deadline
    ) -> T:
        """Run `call` until it answers; AlreadyExists and NotFound of the object are answers too."""
        start = self._clock.now()
        try:
            return await call()
        except (AlreadyExistsError, NotFoundError):
            raise
        except KubernetesError as error:
            return await self._retrying_after(error, signal, name, call, deadline, start=start)

    async def _retrying_after(
        self,
        first: KubernetesError,
        signal: NormalizedSignal,
        name: str,
        call: Callable[[], Awaitable[T]],
        deadline: Deadline,
        *,
        start: datetime,
    ) -> T:
        """Continue after the first try, which ended with the error `first`."""
        from tenacity import AsyncRetrying, retry_if_exception  # noqa: PLC0415 - no cold start pays for it

        tries = AsyncRetrying(
            sleep=self._clock.sleep,
            stop=_stop_after(self._backoff.steps, deadline),
            wait=self._wait,
            retry=retry_if_exception(_is_transient),
            reraise=True,
        )

        async def observed() -> T:
            try:
                if tries.statistics["attempt_number"] == 1:
                    raise first
                return await call()
            except (AlreadyExistsError, NotFoundError):
                raise
            except KubernetesError as error:
                self._observer.on_retry_attempt(signal, tries.statistics["attempt_number"], error)
                raise

        try:
            return await tries(observed)
        except (AlreadyExistsError, NotFoundError):
            raise
        except KubernetesError as error:
            attempts = tries.statistics["attempt_number"]
            raise self._failure(signal, name, error, attempts, start) from error

    def _wait(self, state: RetryCallState) -> float:
        return max(self._backoff.delay(state.attempt_number, random=self._random), _asked_to_wait(state))

    def _failure(
        self, signal: NormalizedSignal, name: str, error: KubernetesError, attempts: int, start: datetime
    ) -> CRDCreationError:
        self._metrics.crd_creation_errors.labels(error_type=error.error_type).inc()
        return CRDCreationError(
            fingerprint=signal.fingerprint,
            namespace=self._builder.namespace,
            crd_name=name,
            signal_type=signal.signal_type,
            signal_name=signal.signal_name,
            attempts=attempts,
            start_time=start,
            now=self._clock.now(),
            underlying=RetryError(
                attempt=attempts,
                max_attempts=self._backoff.steps,
                original=error,
                error_type=error.error_type,
                is_retryable=error.transient,
            ),
        )


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, KubernetesError) and error.transient


def _asked_to_wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return (error.retry_after or 0.0) if isinstance(error, KubernetesError) else 0.0


def _stop_after(tries: int, deadline: Deadline) -> Callable[[RetryCallState], bool]:
    return lambda state: state.attempt_number >= tries or deadline.remaining() <= _asked_to_wait(state)

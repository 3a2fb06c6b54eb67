"""Every error Sluice raises, as one tree:

SluiceError
├── ConfigurationError            a setting is wrong: the start stops
├── PayloadError                  the body can never work: 400 (413, 415 in its subclasses)
│   ├── PayloadTooLargeError      413
│   └── UnsupportedPayloadError   415
├── AccessError                   the caller may not: 401, 403
│   ├── UnauthenticatedError      401
│   └── PermissionDeniedError     403
├── TransientError                try again later: 503 with Retry-After
│   ├── DeadlineExceededError     the request's time is over
│   ├── OverloadedError          this instance has too much to do
│   ├── CircuitOpenError          the breaker refuses to call
│   ├── NotReadyError             a field of the definition or a rule is missing
│   ├── ContentionError           others kept winning the lock or the write
│   └── RetryError                tries used up (kubernaut: RetryError)
├── OperationError                an operation on one fingerprint failed (kubernaut: OperationError)
│   ├── CRDCreationError
│   └── DeduplicationError
└── KubernetesError               the API server refused or did not answer (core.kube.errors)

Catch by class; a message is for people only. Each error has two: `str(error)` is the log's, and `told` is what a
stranger may read. What the API server or the system says may hold addresses, and a sender has to know none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class SluiceError(Exception):
    """Root of all errors raised on purpose. All of them can be pickled, and so cross from process to process."""

    @property
    def told(self) -> str:
        """What a sender may read of it: no address, and nothing of the machine. The log has the whole sentence."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own calls the class with `args` alone: ours take keywords.
        return _restored, (type(self), self.args, self.__cause__), self.__dict__


def told_of(error: BaseException) -> str:
    """Return what a sender may read of `error`; of one that nobody foresaw, nothing."""
    return error.told if isinstance(error, SluiceError) else "an unforeseen error, which the gateway's log has"


def _restored(kind: type[SluiceError], args: tuple[Any, ...], cause: BaseException | None) -> SluiceError:
    error = kind.__new__(kind, *args)
    error.__cause__ = cause
    return error


class ConfigurationError(SluiceError):
    """A setting cannot work; the message names it, its value and the remedy.

    Args:
        message: for whoever runs the gateway.
        told: for senders, where it may name the setting.
    """

    def __init__(self, message: str, *, told: str = "") -> None:
        super().__init__(message)
        self._told = told

    @property
    def told(self) -> str:
        """See SluiceError."""
        return self._told or "a setting of the gateway cannot work; its log says which, and what helps"


class PayloadError(SluiceError):
    """A body that can never work.

    Attributes:
        field: path of the offending field, empty for the body as a whole.
        reason: short word for metrics.
        status: the HTTP status that says so.
    """

    status = 400

    def __init__(self, message: str, *, field: str = "", reason: str = "malformed") -> None:
        super().__init__(message)
        self.field = field
        self.reason = reason


class PayloadTooLargeError(PayloadError):
    """The body is longer than SLUICE_MAX_BODY, or has more alerts than SLUICE_MAX_ALERTS."""

    status = 413


class UnsupportedPayloadError(PayloadError):
    """The content type or encoding is not one we read."""

    status = 415


class AccessError(SluiceError):
    """The caller may not send signals."""

    status = 403


class UnauthenticatedError(AccessError):
    """No bearer token, or one the API server does not know."""

    status = 401


class PermissionDeniedError(AccessError):
    """The token is good but its user may not send signals."""


class TransientError(SluiceError):
    """Nothing is wrong with what was sent: the same request will work later.

    Args:
        message: for whoever runs the gateway.
        told: for senders, where the message has another server's words in it.

    Attributes:
        retry_after: seconds the sender should wait.
        error_type: short word for metrics.
    """

    error_type = "transient"

    def __init__(self, message: str, *, retry_after: float = 1.0, told: str = "") -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self._told = told

    @property
    def told(self) -> str:
        """See SluiceError."""
        return self._told or str(self)


class DeadlineExceededError(TransientError):
    """The request's time ended before its work did."""

    error_type = "deadline"


class OverloadedError(TransientError):
    """This instance holds as many bytes of bodies, or asks about as many tokens, as it may.

    Attributes:
        shed: what there is too much of, as metrics name it.
    """

    error_type = "overloaded"

    def __init__(self, message: str, *, retry_after: float = 1.0, shed: str = "bodies") -> None:
        super().__init__(message, retry_after=retry_after)
        self.shed = shed


class CircuitOpenError(TransientError):
    """The circuit breaker is open: the API server failed too often a moment ago."""

    error_type = "circuit_open"


class NotReadyError(TransientError):
    """Something that every signal needs is missing: a field of the definition, or a rule."""

    error_type = "not_ready"


class ContentionError(TransientError):
    """Other instances kept winning; their work will be visible at the next try."""

    error_type = "contention"


class RetryError(TransientError):
    """Tries used up, or an error not worth another (kubernaut: RetryError).

    Attributes:
        attempt: number of the last try, from 1.
        max_attempts: how many were allowed.
        original: the last error.
        error_type: its class for metrics, such as `transient`, `timeout`, `invalid`.
        is_retryable: whether that error was one to retry.
    """

    def __init__(
        self, *, attempt: int, max_attempts: int, original: Exception, error_type: str, is_retryable: bool
    ) -> None:
        retryable = "retryable" if is_retryable else "not retryable"
        failed = f"operation failed after {attempt}/{max_attempts} attempts ({error_type}, {retryable})"
        super().__init__(f"{failed}: {original}", told=f"{failed}: {told_of(original)}")
        self.attempt = attempt
        self.max_attempts = max_attempts
        self.original = original
        self.error_type = error_type
        self.is_retryable = is_retryable
        self.__cause__ = original


class OperationError(SluiceError):
    """An operation on one fingerprint failed, with all that helps to find out why (kubernaut: OperationError).

    Attributes:
        operation: such as `create_remediation_request`.
        phase: such as `deduplication` or `crd_creation`.
        correlation_id: the RR's name, or the fingerprint where no RR has one yet; never empty.
        duration: time from `start_time` to `now`.
        underlying: the wrapped error, also `__cause__`.
    """

    def __init__(
        self,
        *,
        operation: str,
        phase: str,
        fingerprint: str,
        namespace: str,
        correlation_id: str,
        attempts: int,
        start_time: datetime,
        now: datetime,
        underlying: BaseException,
    ) -> None:
        super().__init__(operation, phase, fingerprint)
        self.operation = operation
        self.phase = phase
        self.fingerprint = fingerprint
        self.namespace = namespace
        self.correlation_id = correlation_id
        self.attempts = attempts
        self.start_time = start_time
        self.duration: timedelta = now - start_time
        self.underlying = underlying
        self.__cause__ = underlying

    def __str__(self) -> str:
        return self._sentence(str(self.underlying))

    @property
    def told(self) -> str:
        """See SluiceError."""
        return self._sentence(told_of(self.underlying))

    def _sentence(self, why: str) -> str:
        return (
            f"{self.operation} failed: phase={self.phase}, fingerprint={self.fingerprint}, "
            f"namespace={self.namespace}, attempts={self.attempts}, duration={format_duration(self.duration)}, "
            f"correlation={self.correlation_id}: {why}"
        )


class CRDCreationError(OperationError):
    """A RemediationRequest could not be created (kubernaut: CRDCreationError).

    Attributes:
        name_taken: the name was found taken, perhaps by our own earlier try, and what has taken it could not be read.
    """

    def __init__(
        self,
        *,
        fingerprint: str,
        namespace: str,
        crd_name: str,
        signal_type: str,
        signal_name: str,
        attempts: int,
        start_time: datetime,
        now: datetime,
        underlying: BaseException,
    ) -> None:
        super().__init__(
            operation="create_remediation_request",
            phase="crd_creation",
            fingerprint=fingerprint,
            namespace=namespace,
            correlation_id=crd_name,
            attempts=attempts,
            start_time=start_time,
            now=now,
            underlying=underlying,
        )
        self.crd_name = crd_name
        self.signal_type = signal_type
        self.signal_name = signal_name
        self.name_taken = False

    def _sentence(self, why: str) -> str:
        return (
            f"{super()._sentence(why)} (crd_name={self.crd_name}, signal_type={self.signal_type}, "
            f"signal_name={self.signal_name})"
        )


class DeduplicationError(OperationError):
    """Whether an RR is active could not be found out (kubernaut: DeduplicationError).

    Attributes:
        dedupe_status: `new`, `duplicate` or `unknown`.
    """

    def __init__(
        self,
        *,
        fingerprint: str,
        namespace: str,
        dedupe_status: str,
        attempts: int,
        start_time: datetime,
        now: datetime,
        underlying: BaseException,
        correlation_id: str = "",
    ) -> None:
        super().__init__(
            operation="check_deduplication",
            phase="deduplication",
            fingerprint=fingerprint,
            namespace=namespace,
            correlation_id=correlation_id or fingerprint,
            attempts=attempts,
            start_time=start_time,
            now=now,
            underlying=underlying,
        )
        self.dedupe_status = dedupe_status

    def _sentence(self, why: str) -> str:
        return f"{super()._sentence(why)} (dedupe_status={self.dedupe_status})"


def format_duration(duration: timedelta) -> str:
    """Write a duration the short way, such as `1.5s` or `12ms`."""
    seconds = duration.total_seconds()
    return f"{round(seconds, 2):g}s" if abs(seconds) >= 1 else f"{round(seconds * 1000, 1):g}ms"

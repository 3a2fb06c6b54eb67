"""What an error means for the sender: wait and send again, or never again."""

from collections.abc import Iterator

from core.errors import CRDCreationError
from core.kube.errors import BadRequestError, InvalidObjectError
from core.models.result import SignalResult, Status

_DEFAULT_RETRY_AFTER = 1.0


def failure(error: BaseException, *, fingerprint: str) -> SignalResult:
    """Return the result of a signal that met `error`.

    Only a request that the API server calls invalid is beyond help. Everything else is retryable, a
    missing CRD or rule included: people mend those, and the alert must still be there afterwards.
    """
    poison = is_poison(error)
    return SignalResult(
        status=Status.INVALID if poison else Status.FAILED,
        fingerprint=fingerprint,
        error=str(error),
        retry_after=0.0 if poison else retry_after(error),
    )


def is_poison(error: BaseException) -> bool:
    """Tell whether no later try can store this signal."""
    return isinstance(error, CRDCreationError) and any(
        isinstance(cause, InvalidObjectError | BadRequestError) for cause in _causes(error)
    )


def retry_after(error: BaseException) -> float:
    """Return the seconds after which another try makes sense: the longest that any cause asks for."""
    asked = [getattr(cause, "retry_after", None) or 0.0 for cause in _causes(error)]
    return max(_DEFAULT_RETRY_AFTER, *asked)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__

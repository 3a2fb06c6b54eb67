"""What an error means for the sender: wait and send again, or never again."""

import re
from collections.abc import Iterator

from core.errors import CRDCreationError
from core.kube.errors import ApiStatusError, BadRequestError, InvalidObjectError
from core.models.result import SignalResult, Status

_DEFAULT_RETRY_AFTER = 1.0

_ALERT_FIELDS = {
    *("signalName", "severity", "signalType", "signalSource", "targetType", "targetResource", "clusterID"),
    *("firingTime", "receivedTime", "signalLabels", "signalAnnotations", "providerData", "originalPayload"),
    *("environment", "priority"),
}
"""What an alert fills in `spec`: the fingerprint is ours."""

_NOT_ITS_VALUE = ("FieldValueRequired", "FieldValueForbidden")


def failure(error: BaseException, *, fingerprint: str) -> SignalResult:
    """Return the result of a signal that met `error`.

    Only an alert whose own values the API server calls invalid is beyond help. Everything else is retryable, a
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
    """Tell whether no later try can store this signal: the API server names fields, and the alert fills them all.

    A policy's denial, a field that the definition requires and the gateway does not know, a proxy's page: for these
    the alert is not to blame, and people can mend them.
    """
    return isinstance(error, CRDCreationError) and any(
        isinstance(cause, InvalidObjectError | BadRequestError) and _blames_the_alert(cause) for cause in _causes(error)
    )


def _blames_the_alert(refusal: ApiStatusError) -> bool:
    # `<nil>`: the API server adds that rules were left unchecked because of the others.
    causes = [(field, reason) for field, reason in refusal.causes if field not in ("", "<nil>")]
    if refusal.reason not in ("Invalid", "BadRequest") or not causes:
        return False
    return all(_of_the_alert(field) and reason not in _NOT_ITS_VALUE for field, reason in causes)


def _of_the_alert(field: str) -> bool:
    spec, _, name = field.partition(".")
    return spec == "spec" and re.split(r"[.\[]", name, maxsplit=1)[0] in _ALERT_FIELDS


def retry_after(error: BaseException) -> float:
    """Return the seconds after which another try makes sense: the longest that any cause asks for."""
    asked = [getattr(cause, "retry_after", None) or 0.0 for cause in _causes(error)]
    return max(_DEFAULT_RETRY_AFTER, *asked)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__

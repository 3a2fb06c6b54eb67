"""What became of each signal, and what an error means for its sender: wait and send again, or never again."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from core.errors import CRDCreationError, told_of
from core.kube.errors import ApiStatusError, BadRequestError, InvalidObjectError, ObjectTooLargeError
from core.signals.signal import RESOLVED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.signals.signal import NormalizedSignal, TargetResource


class DeduplicationMetadata(TypedDict, total=False):
    """Deduplication facts of one signal, as they stand in the answer's JSON; empty fields are left out.

    Keys:
        fingerprint: SHA-256 of the problem.
        count: signals counted on the RR up to and including this one.
        remediationRequestRef: name of the RR.
        firstOccurrence: when the problem was first seen, RFC 3339.
        lastOccurrence: when it was last seen, RFC 3339.
    """

    fingerprint: str
    count: int
    remediationRequestRef: str
    firstOccurrence: str
    lastOccurrence: str


class Status(StrEnum):
    """Outcome of one alert, as the answer names it."""

    CREATED = "created"
    DEDUPLICATED = "deduplicated"
    IGNORED = "ignored"
    REJECTED = "rejected"
    INVALID = "invalid"
    FAILED = "failed"


class SignalResult(NamedTuple):
    """One alert's line in the answer.

    `reason` is a short machine-readable word for what was ignored, rejected or invalid, and `error` a sentence for
    people. `logged` is what the log says instead, where that is more than a sender may read. `remedy` is a command that
    lets in what was rejected, where there is one. `target` is the object that the signal is about, and `found_by` the
    label and the rule that led to it. `silenced_until` (RFC 3339) is when what is silenced will be heard again.
    `retry_after` is in seconds and only set where it failed.
    """

    status: Status
    fingerprint: str = ""
    rr_name: str = ""
    rr_namespace: str = ""
    metadata: DeduplicationMetadata | None = None
    reason: str = ""
    error: str = ""
    logged: str = ""
    retry_after: float = 0.0
    target: TargetResource | None = None
    found_by: str = ""
    remedy: str = ""
    silenced_until: str = ""

    @property
    def for_the_log(self) -> str:
        """The sentence for whoever runs the gateway."""
        return self.logged or self.error

    @property
    def stored(self) -> bool:
        """Whether the API server has stored what this result acknowledges."""
        return self.status in (Status.CREATED, Status.DEDUPLICATED)


class Recorded(NamedTuple):
    """What became of a round, one result for each signal in order; `contended` is whether another instance was
    seen to write to the same RR."""

    results: Sequence[SignalResult]
    contended: bool = False


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

    Only an alert whose own values the API server calls invalid, or too large, is beyond help. Everything else is
    retryable, a missing CRD or rule included: people mend those, and the alert must still be there afterwards.
    """
    poison = is_poison(error)
    return SignalResult(
        status=Status.INVALID if poison else Status.FAILED,
        fingerprint=fingerprint,
        error=told_of(error),
        logged=str(error),
        retry_after=0.0 if poison else retry_after(error),
    )


def resolved(signal: NormalizedSignal) -> SignalResult:
    """Return the result of an alert that has ended: nothing is stored of it, its RR is told."""
    return SignalResult(status=Status.IGNORED, fingerprint=signal.fingerprint, reason=RESOLVED)


def is_poison(error: BaseException) -> bool:
    """Tell whether no later try can store this signal: the object is too large, or the API server names fields, and
    the alert fills them all.

    A policy's denial, a field that the definition requires and the gateway does not know, a proxy's page: for these
    the alert is not to blame, and people can mend them.
    """
    if any(isinstance(cause, ObjectTooLargeError) for cause in _causes(error)):
        return True
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

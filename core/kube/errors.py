"""What the API server, or the way to it, can refuse:

KubernetesError
├── ApiUnreachableError          no answer: connection refused, reset, timed out; a write may have happened
│   └── UnreadableAnswerError    an answer that is not a Kubernetes object, from a proxy for example
│       └── NotStoredError       success, with an object that does not show what was sent
└── ApiStatusError               an answer with status >= 400
    ├── BadRequestError          400
    ├── ApiUnauthorizedError     401
    ├── ForbiddenError           403
    ├── NotFoundError            404: no such object
    ├── NamespaceNotFoundError   404: no such namespace to create it in
    ├── ResourceNotServedError   404: the kind itself is unknown, its CRD is not installed
    ├── ConflictError            409, reason Conflict: resourceVersion or uid is not the one given
    ├── AlreadyExistsError       409, reason AlreadyExists
    ├── InvalidObjectError       413, 422
    │   └── ObjectTooLargeError  413 of the API server itself; 500 where etcd does not take the object
    ├── ThrottledError           429
    └── ServerError              5xx

What senders are told (SluiceError.told) is never the message itself, for that holds what the API server or the
system says: a class that is told nothing else says in general what is wrong.

`transient` says that the same call may work later; the class follows status code and Status.reason only, but for
etcd's "too large", which the API server passes on as a failure of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from core.common.text import cut_utf8, without_addresses
from core.errors import SluiceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.kube.resources import Resource
    from core.kube.transport import ApiRequest, ApiResponse

_EXCERPT = 256
_TOLD_BYTES = 1024
_NO_STATUS = "with a text that is no Kubernetes Status; the gateway's log has its beginning"
_LONGEST_WAIT = 9  # digits; float() makes infinity of thousands of them
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def refusal(resource: Resource, request: ApiRequest, response: ApiResponse) -> ApiStatusError:
    """Return the exception for an answer with status >= 400."""
    status = _status_object(response.body)
    reason = str(status.get("reason") or "")
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    said = str(status.get("message") or "")
    detail = said or response.body[:_EXCERPT].decode(errors="replace").strip()
    kind = error_class(status=response.status, reason=reason, details=details, message=detail)
    sentence = partial(_sentence, kind, resource, request, response.status)
    return kind(
        sentence(detail),
        told=sentence(without_addresses(cut_utf8(said, limit=_TOLD_BYTES)) or _NO_STATUS),
        status=response.status,
        reason=reason,
        detail=detail,
        retry_after=_retry_after(response),
        causes=_causes(details),
    )


def _causes(details: dict[str, Any]) -> list[tuple[str, str]]:
    causes = details.get("causes")
    known = [each for each in causes if isinstance(each, dict)] if isinstance(causes, list) else []
    return [(str(each.get("field") or ""), str(each.get("reason") or "")) for each in known]


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        status = from_json(body)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _retry_after(response: ApiResponse) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() and len(value) <= _LONGEST_WAIT else None


def _sentence(kind: type[ApiStatusError], resource: Resource, request: ApiRequest, status: int, detail: str) -> str:
    said = f"the API server answered {status} to {request.method} {request.path}: {detail}"
    if kind is ResourceNotServedError:
        remedy = f"apply {resource.definition} to the cluster" if resource.custom else "is this a Kubernetes API?"
        return f"{said}; {resource.full_name} is not installed here: {remedy}"
    if kind is NamespaceNotFoundError:
        return f"{said}; create the namespace, or set SLUICE_NAMESPACE to one that exists"
    if kind is ForbiddenError and request.method == "GET":
        return f"{said}; this rule is missing: {_rule(resource, request)}"
    if kind is ForbiddenError:
        # A missing rule and an admission plugin's refusal have the same code and reason: only the text differs.
        return (
            f"{said}; if this names a quota or a policy, raise the quota, or let the policy allow what Sluice writes; "
            f"otherwise this rule is missing: {_rule(resource, request)}"
        )
    if kind is BadRequestError and "fieldSelector" in request.query:
        return (
            f"{said}; its definition must have spec.signalFingerprint among its selectableFields, which takes "
            "Kubernetes 1.31: apply knative/cluster/crd.yaml"
        )
    return f"{said}; {_REMEDIES[kind]}" if kind in _REMEDIES else said


def _rule(resource: Resource, request: ApiRequest) -> str:
    # Collection GETs are lists: the last path segment is then the plural itself.
    verb = _VERBS[request.method]
    if verb == "get" and request.path.endswith(f"/{resource.plural}"):
        verb = "list"
    plural = f"{resource.plural}/status" if request.path.endswith("/status") else resource.plural
    return f'apiGroups: ["{resource.group}"], resources: ["{plural}"], verbs: ["{verb}"]'


class KubernetesError(SluiceError):
    """A call to the Kubernetes API failed.

    Args:
        message: for whoever runs the gateway, addresses included.
        told: for senders.

    Attributes:
        transient: the same call may work in a moment.
        retry_after: seconds the server asked to wait, or None.
        error_type: short word for metrics.
    """

    error_type = "unexpected"
    transient = False
    retry_after: float | None = None
    _in_general = "a call to the Kubernetes API failed; the gateway's log says why"

    def __init__(self, message: str, *, told: str = "") -> None:
        super().__init__(message)
        self._told = told

    @property
    def told(self) -> str:
        """See SluiceError."""
        return self._told or self._in_general


class ApiUnreachableError(KubernetesError):
    """The API server gave no answer."""

    error_type = "unreachable"
    transient = True
    _in_general = "the Kubernetes API did not answer; the gateway's log says why"


class UnreadableAnswerError(ApiUnreachableError):
    """Something answered with success, but not with an object: whether a write happened is unknown."""

    error_type = "unreadable"
    _in_general = "an answer of the Kubernetes API cannot be read; the gateway's log says what is wrong with it"


class NotStoredError(UnreadableAnswerError):
    """A write was answered with success, and the answer does not show what was sent."""

    error_type = "not_stored"
    _in_general = "the Kubernetes API did not store what it was sent; the gateway's log says what it left out"


class ApiStatusError(KubernetesError):
    """The API server answered with an error.

    Attributes:
        status: HTTP status code.
        reason: Status.reason, or empty.
        detail: the server's own sentence.
        causes: for each field that is wrong, its path and the reason: (`spec.severity`, `FieldValueTooLong`).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str,
        detail: str,
        retry_after: float | None = None,
        causes: Sequence[tuple[str, str]] = (),
        told: str = "",
    ) -> None:
        super().__init__(message, told=told)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.causes = tuple(causes)
        self.retry_after = retry_after


class BadRequestError(ApiStatusError):
    """400: the request itself is wrong, such as a field selector the CRD does not declare."""

    error_type = "bad_request"


class ApiUnauthorizedError(ApiStatusError):
    """401: the gateway's own credentials are not accepted."""

    error_type = "unauthorized"


class ForbiddenError(ApiStatusError):
    """403: the gateway's service account lacks a rule."""

    error_type = "forbidden"


class NotFoundError(ApiStatusError):
    """404: no such object."""

    error_type = "not_found"


class NamespaceNotFoundError(ApiStatusError):
    """404: the namespace to create an object in does not exist."""

    error_type = "namespace_not_found"


class ResourceNotServedError(ApiStatusError):
    """404: the API server does not know the kind at all."""

    error_type = "crd_not_installed"


class ConflictError(ApiStatusError):
    """409 Conflict: the object is no longer the one that was seen."""

    error_type = "conflict"


class AlreadyExistsError(ApiStatusError):
    """409 AlreadyExists: the name is taken."""

    error_type = "already_exists"


class InvalidObjectError(ApiStatusError):
    """422 (or 413): the object breaks its schema or is too large; it can never be stored as it is."""

    error_type = "invalid"


class ObjectTooLargeError(InvalidObjectError):
    """The object is larger than etcd, or the API server, takes: no later try can store it."""

    error_type = "too_large"


class ThrottledError(ApiStatusError):
    """429: priority and fairness, or an eviction of load; the call did not run."""

    error_type = "throttled"
    transient = True


class ServerError(ApiStatusError):
    """5xx: the server failed while it worked; a write may have happened."""

    error_type = "server_error"
    transient = True


_REMEDIES: dict[type[ApiStatusError], str] = {
    ApiUnauthorizedError: "the gateway's own credentials are not accepted: look at its service account, or KUBECONFIG",
    ThrottledError: "the API server has too much to do; the same call works later",
    ServerError: "the API server has failed; the same call may work later",
    ObjectTooLargeError: "no later try can store it; etcd takes 1.5 MiB for an object",
}
"""What to do about a refusal whose own words do not say it. Conflicts are not refusals, and an object that breaks its
schema is told by its fields."""

# The only sign that there is: code 500 without a reason is what the API server makes of any word of etcd's, "leader
# changed" among them. The first is etcd's own (v3rpc/rpctypes), the second its client's, from 2 MiB on.
_ETCD_TOO_LARGE = ("etcdserver: request is too large", "trying to send message larger than max")

_BY_STATUS: dict[int, type[ApiStatusError]] = {
    400: BadRequestError,
    401: ApiUnauthorizedError,
    403: ForbiddenError,
    409: ConflictError,
    413: InvalidObjectError,
    422: InvalidObjectError,
    429: ThrottledError,
}


def error_class(*, status: int, reason: str, details: Mapping[str, Any], message: str = "") -> type[ApiStatusError]:
    """Choose the most specific class.

    Args:
        status: HTTP status code, 400 or above.
        reason: Status.reason; empty where the body is no Status.
        details: Status.details; a 404 whose details name no object is about the kind.
        message: Status.message, in which alone the API server tells that an object is too large for etcd.
    """
    if status == 500 and not reason and any(words in message for words in _ETCD_TOO_LARGE):
        return ObjectTooLargeError
    if status == 413 and reason == "RequestEntityTooLarge":  # without it: a proxy's, whose limit people can raise
        return ObjectTooLargeError
    if status >= 500:
        return ServerError
    if status == 409 and reason == "AlreadyExists":
        return AlreadyExistsError
    if status == 404:
        return _not_found(details)
    return _BY_STATUS.get(status, ApiStatusError)


def _not_found(details: Mapping[str, Any]) -> type[ApiStatusError]:
    if not details.get("name"):
        return ResourceNotServedError
    return NamespaceNotFoundError if details.get("kind") == "namespaces" else NotFoundError

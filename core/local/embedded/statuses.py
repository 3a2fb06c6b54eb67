"""Errors as the API server words them: metav1.Status objects with reason, code, message and details."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LOCK_LOST = "the object has been modified; please apply your changes to the latest version and try again"


class Cause(NamedTuple):
    """One field that is wrong, and why."""

    reason: str
    message: str
    field: str

    @property
    def sentence(self) -> str:
        """Field and message, as they stand in the Status message."""
        return f"{self.field}: {self.message}"


class Target(NamedTuple):
    """What an error is about. `kind` is the plural nearly everywhere, the kind for invalid objects."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


@dataclass
class ApiError(Exception):
    """A refused request; `code` is the HTTP status."""

    code: int
    reason: str
    message: str
    details: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def status(self) -> dict[str, Any]:
        """Return the Status object; empty parts are left out, as the API server leaves them out."""
        said = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            said["reason"] = self.reason
        if self.details is not None:
            said["details"] = self.details
        return said | {"code": self.code}


class PageNotFoundError(Exception):
    """No such path: answered in plain text, without a Status."""


def success(target: Target, name: str, uid: str) -> dict[str, Any]:
    """Return what a DELETE answers for most kinds."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": _details(target, name) | {"uid": uid},
    }


def _details(target: Target, name: str = "") -> dict[str, Any]:
    named = {"name": name, "group": target.group, "kind": target.kind}
    return {key: value for key, value in named.items() if value}


def not_found(target: Target, name: str) -> ApiError:
    """404 for an object."""
    return ApiError(404, "NotFound", f'{target} "{name}" not found', _details(target, name))


def no_such_resource() -> ApiError:
    """404 for a kind, in an API group that is served."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(target: Target, name: str, *, deleting: bool = False) -> ApiError:
    """409 for a CREATE; `deleting` when the old object waits for its finalizers."""
    prefix = "object is being deleted: " if deleting else ""
    return ApiError(409, "AlreadyExists", f'{prefix}{target} "{name}" already exists', _details(target, name))


def name_not_generated(target: Target, name: str) -> ApiError:
    """409 for a CREATE whose generated names were all taken."""
    message = f'{target} "{name}" already exists, the server was not able to generate a unique name for the object'
    details = _details(target, name) | {"retryAfterSeconds": 1}
    return ApiError(409, "AlreadyExists", message, details, {"Retry-After": "1"})


def conflict(target: Target, name: str, why: str = LOCK_LOST) -> ApiError:
    """409 for an update or a DELETE whose preconditions do not hold."""
    message = f'Operation cannot be fulfilled on {target} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(target, name))


def invalid(target: Target, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 for an object that breaks rules; each cause is listed in details."""
    sentences = list(dict.fromkeys(cause.sentence for cause in causes))
    joined = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    details = _details(target, name) | {"causes": [cause._asdict() for cause in causes]}
    return ApiError(422, "Invalid", f'{target} "{name}" is invalid: {joined}', details)


def unprocessable_patch() -> ApiError:
    """422 for a JSON patch that does not fit the object."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401, which never says why."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(target: Target, name: str, why: str, *, causes: Sequence[Cause] = ()) -> ApiError:
    """403 for a resource."""
    subject = f'{target} "{name}"' if name else str(target)
    details = _details(target, name)
    if causes:
        details["causes"] = [cause._asdict() for cause in causes]
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", details)


def forbidden_path(why: str) -> ApiError:
    """403 for a path that is no resource."""
    return ApiError(403, "Forbidden", f"forbidden: {why}", {})


def method_not_allowed() -> ApiError:
    """405."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def not_acceptable(accepted: str) -> ApiError:
    """406."""
    return ApiError(406, "NotAcceptable", f"only the following media types are accepted: {accepted}")


def too_large(limit: int) -> ApiError:
    """413 for a body of more than `limit` bytes."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def unsupported_media_type(accepted: str) -> ApiError:
    """415."""
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return ApiError(415, "UnsupportedMediaType", message)


def internal(message: str) -> ApiError:
    """500 with no reason, as the API server answers mistakes it has no class for."""
    return ApiError(500, "", message)


def expired(message: str) -> ApiError:
    """410 for a resourceVersion that is no longer kept."""
    return ApiError(410, "Expired", message)


def too_new(asked: int, current: int) -> ApiError:
    """504 for a read not older than a revision that was never reached."""
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1}, {"Retry-After": "1"})


_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "bool"}


class DecodeError(ValueError):
    """An object cannot be read as its kind; the message is the decoder's own."""


def unmarshal_error(value: Any, into: str) -> DecodeError:
    """Return the error for a value that does not go into a Go type or field."""
    found = _JSON_TYPES.get(type(value), "number")
    return DecodeError(f"json: cannot unmarshal {found} into Go {into}")

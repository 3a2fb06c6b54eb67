"""Error answers turned into exceptions whose sentence says what an operator can do."""

from typing import Any

from pydantic_core import from_json

from core.kube.errors import (
    ApiStatusError,
    ForbiddenError,
    NamespaceNotFoundError,
    ResourceNotServedError,
    error_class,
)
from core.kube.resources import Resource
from core.kube.transport import ApiRequest, ApiResponse

_EXCERPT = 256
_LONGEST_WAIT = 9  # digits; thousands of them are infinity to float()
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def refusal(resource: Resource, request: ApiRequest, response: ApiResponse) -> ApiStatusError:
    """Return the exception for an answer with status >= 400."""
    status = _status_object(response.body)
    reason = str(status.get("reason") or "")
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    detail = str(status.get("message") or response.body[:_EXCERPT].decode(errors="replace").strip())
    kind = error_class(status=response.status, reason=reason, details=details)
    message = _sentence(kind, resource, request, response.status, detail)
    return kind(
        message,
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
        remedy = "apply knative/cluster/crd.yaml to the cluster" if resource.custom else "is this a Kubernetes API?"
        return f"{said}; {resource.full_name} is not installed here: {remedy}"
    if kind is NamespaceNotFoundError:
        return f"{said}; create the namespace, or set SLUICE_NAMESPACE to one that exists"
    if kind is ForbiddenError:
        return f"{said}; the rule that is missing: {_rule(resource, request)}"
    return said


def _rule(resource: Resource, request: ApiRequest) -> str:
    # Collection GETs are lists: the last path segment is then the plural itself.
    verb = _VERBS[request.method]
    if verb == "get" and request.path.endswith(f"/{resource.plural}"):
        verb = "list"
    plural = f"{resource.plural}/status" if request.path.endswith("/status") else resource.plural
    return f'apiGroups: ["{resource.group}"], resources: ["{plural}"], verbs: ["{verb}"]'

"""Objects and paths that the contract tests use, and the Status objects they expect."""

from datetime import datetime, timedelta
from typing import Any

GROUP = "remediation.kubernaut.ai"
LEASE_GROUP = "coordination.k8s.io"
FINGERPRINT = "a" * 64
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
UNCHECKED = {
    "reason": "FieldValueInvalid",
    "message": "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "field": "<nil>",
}


def same_moment(first: str, second: str) -> bool:
    """Whether two times of one answer stand for one moment: the server reads its clock for each of them, and a second
    may begin between."""
    return abs(datetime.fromisoformat(first) - datetime.fromisoformat(second)) < timedelta(minutes=1)


def lease(name: str, *, meta: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A Lease; `spec` replaces holder and duration where it names them."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, **(meta or {})},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 30, **spec},
    }


def remediation_request(name: str, *, meta: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A RemediationRequest; a spec field given as ... is left out."""
    complete = {
        "signalFingerprint": FINGERPRINT,
        "signalName": "HighMemoryUsage",
        "severity": "critical",
        "signalType": "prometheus-alert",
        "targetType": "kubernetes",
        "targetResource": {"kind": "Pod", "name": "web", "namespace": "prod"},
        "firingTime": "2026-01-02T03:04:05Z",
        "receivedTime": "2026-01-02T03:04:05.678Z",
        "signalLabels": {"alertname": "HighMemoryUsage"},
    } | spec
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {"name": name, **(meta or {})},
        "spec": {field: value for field, value in complete.items() if value is not ...},
    }


def failure(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    """A Status; without details it has none, with `details={}` an empty one."""
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    if details:
        status["details"] = details.get("details", details)
    return status


def cause(field: str, message: str, reason: str = "FieldValueInvalid") -> dict[str, str]:
    """One entry of details.causes."""
    return {"reason": reason, "message": message, "field": field}


def invalid(group: str, kind: str, name: str, *causes: dict[str, str]) -> dict[str, Any]:
    """The Status of an invalid object."""
    sentences = list(dict.fromkeys(f"{one['field']}: {one['message']}" for one in causes))
    joined = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    subject = f"{kind}.{group}" if group else kind
    details: dict[str, Any] = {"name": name, "group": group, "kind": kind, "causes": list(causes)}
    message = f'{subject} "{name}" is invalid: {joined}'
    return failure(422, "Invalid", message, **{key: value for key, value in details.items() if value})

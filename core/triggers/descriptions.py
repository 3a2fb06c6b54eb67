"""What people and programs are told of the bodies that the HTTP function takes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Description(NamedTuple):
    """What people are told of a body (in its function's OpenAPI document).

    Args:
        title: of the document.
        about: what the function does, in one sentence.
        summary: what sending to it does, in one sentence.
        schema: JSON schema of the body.
        parts: JSON schemas that `schema` refers to, by name.
        name: of `schema` among them.
    """

    title: str
    about: str
    summary: str
    schema: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    name: str = "Body"


_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_STATUS = {"enum": ["firing", "resolved"]}

ALERTMANAGER = Description(
    title="Sluice: alertmanager",
    about="Alertmanager webhooks in, exactly one RemediationRequest per problem out.",
    summary="Store the alerts of an Alertmanager webhook; one result per alert, in order.",
    schema={
        "description": "Alertmanager's version 4. Other versions are taken too where their alerts are usable.",
        "type": "object",
        "required": ["alerts"],
        "properties": {
            "version": _TEXT,
            "status": _STATUS,
            "truncatedAlerts": {"type": "integer", "minimum": 0},
            "alerts": {"type": "array", "items": {"$ref": "#/components/schemas/Alert"}},
        },
    },
    parts={
        "Alert": {
            "type": "object",
            "required": ["labels"],
            "properties": {
                "status": _STATUS,
                "labels": _TEXTS,
                "annotations": _TEXTS,
                "startsAt": {"type": "string", "format": "date-time"},
            },
        }
    },
)
"""Alertmanager's webhook_config, version 4."""

_REFERENCE = {"type": "object", "properties": {"kind": _TEXT, "name": _TEXT, "namespace": _TEXT, "apiVersion": _TEXT}}

KUBERNETES_EVENT = Description(
    title="Sluice: alertmanager",
    about="Kubernetes Events in, exactly one RemediationRequest per problem out.",
    summary="Store a Kubernetes Event of type Warning or Error; one result.",
    schema={
        "description": "An Event of core/v1 or events.k8s.io/v1, as the API server has it.",
        "type": "object",
        "anyOf": [{"required": ["involvedObject"]}, {"required": ["regarding"]}],
        "properties": {
            "kind": {"const": "Event"},
            "type": _TEXT,
            "reason": _TEXT,
            "message": _TEXT,
            "note": _TEXT,
            "involvedObject": _REFERENCE,
            "regarding": _REFERENCE,
        },
    },
    name="Event",
)
"""One Event, as it is (kubernaut: POST /api/v1/signals/kubernetes-event)."""

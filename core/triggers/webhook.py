"""Takes webhooks: the whole body is one batch of alerts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from core.answers import Answer, answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from core.common.clock import Deadline
    from core.gateway import Gateway
    from core.signals.rules import Rules
    from core.signals.signal import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What people are told of a webhook (in its function's OpenAPI document).

    Args:
        title: of the document.
        about: what the function does, in one sentence.
        summary: what sending to it does, in one sentence.
        schema: JSON schema of the body.
        parts: JSON schemas that `schema` refers to, by name.
    """

    title: str
    about: str
    summary: str
    schema: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Any]]


class Decode(Protocol):
    """Turns a body into a batch, or raises PayloadError."""

    def __call__(
        self, body: bytes, *, received_time: datetime, signal_type: str, max_alerts: int, untargeted: str, rules: Rules
    ) -> Batch:
        """Decode `body`."""


class WebhookReceiver:
    """Decodes a body and answers with one result for each of its alerts."""

    def __init__(self, gateway: Gateway, *, decode: Decode) -> None:
        self._gateway = gateway
        self._decode = decode

    async def receive(self, _headers: Mapping[str, str], body: bytes, /, *, deadline: Deadline) -> Answer:
        """Store the alerts of one webhook.

        Raises:
            PayloadError: it can never work.
            KubernetesError, TransientError: nothing of it could be stored now.
        """
        gateway = self._gateway
        settings = gateway.settings
        batch = self._decode(
            body,
            received_time=gateway.clock.now(),
            signal_type=settings.signal_type,
            max_alerts=settings.max_alerts,
            untargeted=settings.untargeted,
            rules=gateway.rules,
        )
        digest = hashlib.sha256(body).digest()
        results = await gateway.pipeline.process(batch, digest=digest, deadline=deadline)
        return answer(results, truncated=batch.truncated)

    async def close(self) -> None:
        """Nothing is held open here."""


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

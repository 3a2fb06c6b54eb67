"""Takes Kubernetes Events as they are, without a CloudEvent around them: exporters and kubectl send them so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic_core import from_json

from core.answers import Answer, answer
from core.common.text import excerpt
from core.errors import PayloadError
from core.triggers.kubernetes_events import KubernetesEventIntake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.common.resilience import Deadline
    from core.gateway import Gateway

_REMEDY = "send one Event of core/v1 or events.k8s.io/v1 as a JSON object"


class PlainEventReceiver:
    """Reads a body as an Event and answers with its one result (kubernaut: POST /api/v1/signals/kubernetes-event)."""

    def __init__(self, intake: KubernetesEventIntake) -> None:
        self._intake = intake

    @classmethod
    def over(cls, gateway: Gateway) -> Self:
        """Return the receiver of an instance."""
        return cls(KubernetesEventIntake.over(gateway))

    async def receive(self, _headers: Mapping[str, str], body: bytes, /, *, deadline: Deadline) -> Answer:
        """Store the Event, unless it is Normal, old or was stored a moment ago.

        Raises:
            PayloadError: it is not an Event.
            KubernetesError, TransientError: it could not be stored now.
        """
        return answer(await self._intake.store(read_event(body), deadline=deadline))

    async def close(self) -> None:
        """Nothing is held open here."""


def read_event(body: bytes) -> dict[str, Any]:
    """Return the Event in a body, its fields not yet checked.

    Raises:
        PayloadError: it is not a JSON object, or not an Event.
    """
    try:
        event = from_json(body)
    except ValueError as error:
        raise PayloadError(f"the body is {excerpt(body)}, no JSON ({error}); {_REMEDY}", reason="no_json") from None
    if not isinstance(event, dict):
        raise PayloadError(f"the body is {excerpt(event)}; {_REMEDY}", reason="no_object")
    if event.get("kind", "Event") != "Event":
        raise PayloadError(f"kind is {excerpt(event['kind'])}; {_REMEDY}", field="kind", reason="no_event")
    if not event.keys() & {"involvedObject", "regarding"}:
        raise PayloadError(
            f"the body has neither involvedObject nor regarding, it is {excerpt(event)}; {_REMEDY}",
            field="involvedObject",
            reason="no_event",
        )
    return event

"""Kubernetes Events on RRs, so that `kubectl describe` tells who opened one. Off by default: a call for each new RR.

An Event is written beside the answer, never before it, and its failure costs no alert: it goes to a client with a
breaker of its own, has a short time, and is only logged.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from core.common.resilience import Deadline
from core.common.text import cut_utf8, rfc3339
from core.errors import SluiceError
from core.kube.errors import AlreadyExistsError
from core.kube.resources import CORE_EVENTS
from core.logs import ONCE_A_SECOND

if TYPE_CHECKING:
    import logging

    from core.common.clock import Clock
    from core.kube.client import JsonObject, KubeClient
    from core.kube.resources import Resource
    from core.protocol.remediation_request import RemediationRequest
    from core.signals.signal import NormalizedSignal

REASON = "Created"
COMPONENT = "sluice"
MOST_AT_ONCE = 100
"""Events being written by one instance; in a burst of more new RRs the others have none."""

_MESSAGE_BYTES = 1024  # as events.k8s.io limits a note


class RREventWriter:
    """Writes an Event on each RR that is created.

    Args:
        client: of its own: what happens to Events opens no breaker for alerts.
        resource: kind of the RRs.
        clock: tells the Event's time.
        logger: is told of Events that could not be written.
        seconds: until an Event is given up, its repeated tries included.
    """

    def __init__(
        self, *, client: KubeClient, resource: Resource, clock: Clock, logger: logging.Logger, seconds: float
    ) -> None:
        self._seconds = seconds
        self._client = client
        self._resource = resource
        self._clock = clock
        self._logger = logger
        self._writing: set[asyncio.Task[None]] = set()
        self._unwritten: dict[str, tuple[RemediationRequest, JsonObject]] = {}

    def created(self, rr: RemediationRequest, signal: NormalizedSignal) -> None:
        """Begin to write the Event of an RR; nobody waits for it."""
        if len(self._unwritten) >= MOST_AT_ONCE:
            return
        event = self._event(rr, signal)
        self._unwritten[rr.name] = rr, event
        task = asyncio.create_task(self._write(rr, event))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def drain(self) -> None:
        """Let the Events end that are being written, as long as each may take.

        An event loop that ends has cancelled their tasks before it comes here: those begin anew.
        """
        while self._writing:
            await asyncio.wait(self._writing)
        left = list(self._unwritten.values())
        await asyncio.gather(*(self._write(rr, event) for rr, event in left), return_exceptions=True)

    async def _write(self, rr: RemediationRequest, event: JsonObject) -> None:
        deadline = Deadline(clock=self._clock, seconds=self._seconds)
        try:
            await self._client.create(CORE_EVENTS, event, namespace=rr.namespace, deadline=deadline)
        except AlreadyExistsError:
            pass  # an answer that was lost
        except SluiceError as error:
            self._logger.warning(
                "no Event on RR %s: %s", rr.name, error, extra={"remediation_request": rr.name, **ONCE_A_SECOND}
            )
        self._unwritten.pop(rr.name, None)

    def _event(self, rr: RemediationRequest, signal: NormalizedSignal) -> dict[str, Any]:
        now = rfc3339(self._clock.now().replace(microsecond=0))
        found = f", found by {signal.found_by}" if signal.found_by else ""
        message = f"{signal.signal_name} ({signal.severity}) about {signal.target}{found}"
        return {
            "apiVersion": CORE_EVENTS.api_version,
            "kind": CORE_EVENTS.kind,
            "metadata": {"name": f"{rr.name}.created", "namespace": rr.namespace},
            "involvedObject": {
                "apiVersion": self._resource.api_version,
                "kind": self._resource.kind,
                "name": rr.name,
                "namespace": rr.namespace,
                "uid": rr.uid,
            },
            "type": "Normal",
            "reason": REASON,
            "message": cut_utf8(message, limit=_MESSAGE_BYTES),
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

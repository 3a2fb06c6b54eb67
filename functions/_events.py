"""What every CloudEvents function does around its intake: open, receive, answer, measure.

functions-framework reads the body, answers 400 to what is no CloudEvent, and 200 where a function returns:
any other answer is an exception. It takes POST only, so probes are by TCP and metrics have a port of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import from_json
from starlette.exceptions import HTTPException

from core.answers import Answer, answer
from core.clock import Deadline
from core.lifetime import PerLoop
from core.models.cloud_event import CloudEvent
from functions._answering import measured, trace_of
from functions._metrics_port import MetricsPort
from functions._worker import start_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from core.gateway import Gateway
    from core.models.result import SignalResult

_POISON = 400


class Intake(Protocol):
    """Where events go."""

    async def receive(self, event: CloudEvent, *, deadline: Deadline) -> Sequence[SignalResult]:
        """Store what is in an event."""

    async def close(self) -> None:
        """Give back what is held open."""


def serve_events(
    *, name: str, intake_over: Callable[[Gateway], Intake], acknowledge_poison: bool = False
) -> Callable[[Any], Awaitable[None]]:
    """Return the function that functions-framework calls with each CloudEvent.

    Args:
        name: as the function is deployed.
        intake_over: makes the intake of an event loop, at the first event.
        acknowledge_poison: answer 200 where an event can never work: Pub/Sub sends anything else again.

    Raises:
        SystemExit: a setting is wrong.
    """
    worker = start_worker()

    async def listen() -> MetricsPort:
        return await MetricsPort.open(
            port=worker.settings.metrics_port, registry=worker.registry(), logger=worker.logger
        )

    metrics_ports = PerLoop(listen)

    async def build() -> Intake:
        await metrics_ports.get()
        return intake_over(await worker.gateway())

    intakes: PerLoop[Intake] = PerLoop(build)

    async def function(event: Any) -> None:
        async def receive() -> Answer:
            intake = await intakes.get()
            deadline = Deadline(clock=worker.clock, seconds=worker.settings.request_deadline)
            return answer(await intake.receive(_opened(event), deadline=deadline))

        trace = trace_of({"traceparent": _text(event.get("traceparent") or "")})
        given = await measured(worker, receive, endpoint="/", method="POST", trace=trace)
        if given.status >= _POISON and not (acknowledge_poison and given.status == _POISON):
            raise HTTPException(given.status, from_json(given.body)["detail"], dict(given.headers))

    function.__name__ = name
    return function


def _opened(event: Any) -> CloudEvent:
    return CloudEvent(
        type=_text(event["type"]), source=_text(event["source"]), id=_text(event["id"]), data=event.get_data()
    )


def _text(attribute: object) -> str:
    """Attributes of structured mode may be anything that JSON has, half a surrogate pair too."""
    return str(attribute).encode(errors="backslashreplace").decode()

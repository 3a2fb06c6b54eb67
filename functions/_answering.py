"""Gives every request an answer, whatever happens in it, and measures it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from core.answers import Answer, problem
from core.errors import AccessError, ConfigurationError, PayloadError, TransientError, UnauthenticatedError
from core.failures import retry_after
from core.kube.errors import KubernetesError
from core.logs import trace_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from functions._worker import Worker


async def measured(
    worker: Worker, respond: Callable[[], Awaitable[Answer]], *, endpoint: str, method: str, trace: str
) -> Answer:
    """Return the answer of `respond`, or the one to its error; log lines meanwhile carry `trace`."""
    started = worker.clock.monotonic()
    token = trace_id.set(trace)
    try:
        given = await _guarded(worker, respond)
        worker.metrics.request_duration.labels(endpoint, method, str(given.status)).observe(
            worker.clock.monotonic() - started
        )
        return given
    finally:
        trace_id.reset(token)


def trace_of(headers: Mapping[str, str]) -> str:
    """Return the trace that a request belongs to, or nothing (W3C Trace Context, X-Cloud-Trace-Context)."""
    traceparent = headers.get("traceparent", "").split("-")
    if len(traceparent) == 4:
        return traceparent[1]
    return headers.get("x-cloud-trace-context", "").split("/")[0]


async def _guarded(worker: Worker, respond: Callable[[], Awaitable[Answer]]) -> Answer:
    """Turn every error into its answer; an unforeseen one is ours, so the sender must try again."""
    try:
        return await respond()
    except PayloadError as error:
        worker.metrics.parse_dropped.labels(reason=error.reason).inc()
        worker.logger.warning("a body was refused: %s", error, extra={"field": error.field, "reason": error.reason})
        return problem(error.status, str(error))
    except AccessError as error:
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthenticatedError) else {}
        return problem(error.status, str(error), headers=headers)
    except (KubernetesError, TransientError, ConfigurationError) as error:
        worker.logger.error("a request has to be sent again: %s", error)  # noqa: TRY400 - its sentence says it all
        return problem(503, str(error), retry_after=retry_after(error))
    except ClientDisconnect:
        return problem(503, "the sender went away before its body was complete", retry_after=1)
    except Exception:
        worker.logger.exception("unforeseen error; the sender is asked to try again")
        return problem(503, "an unforeseen error; it is logged, and the same request may work later", retry_after=5)

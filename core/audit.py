"""Audit events: who sent which alert, and what became of it, as CloudEvents 1.0 to a sink of one's own.

Loaded only where SLUICE_AUDIT_SINK names a sink. No alert waits for an event, and none fails with one: events wait in a
bounded queue, and what finds no room there, or no taker, is dropped and counted (docs/observability.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from contextvars import Context
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from pydantic_core import to_json

from core.common.resilience import Backoff
from core.common.text import cut_utf8, rfc3339
from core.common.trace_context import admitted_sender, current_trace, request_id
from core.kube.connection import Connection, ConnectionPool
from core.logs import ONCE_A_SECOND
from core.results import Status
from core.signals.signal import Poison
from core.version import USER_AGENT

if TYPE_CHECKING:
    import logging
    import random
    from collections.abc import Mapping, Sequence

    from core.common.clock import Clock
    from core.metrics import Metrics
    from core.protocol.remediation_request import RemediationRequest
    from core.results import SignalResult
    from core.signals.signal import NormalizedSignal

TYPE_PREFIX = "ai.kubernaut.gateway."
"""Before kubernaut's names of audit events: signal.received, signal.deduplicated, crd.created, crd.failed."""

MOST_BYTES = 4 * 1024 * 1024
"""Of the events that wait: some 5,000. What comes beyond is dropped."""

SEND_SECONDS = 5.0
"""Of one delivery."""

FLUSH_SECONDS = 2.0
"""What an instance that ends gives its last events."""

TRIES = Backoff(steps=5, duration=0.2, factor=3.0, jitter=0.2, cap=5.0)
"""Of one delivery; then its events are dropped, so that others get their turn."""

DROPPED = ("full", "refused", "ended")
"""Why an event may be dropped."""

_TEXT_BYTES = 512
_SENTENCE_BYTES = 1024
_CONNECT_SECONDS = 2.0
_PORTS = {"http": 80, "https": 443}
_SINGLE, _BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_LATER = (408, 425, 429)
_OUTCOMES = {
    Status.DEDUPLICATED: "signal.deduplicated",
    Status.FAILED: "crd.failed",
    Status.IGNORED: "signal.ignored",
    Status.REJECTED: "signal.rejected",
    Status.INVALID: "signal.rejected",
}


class AuditTrail:
    """Makes audit events and sends them, in order, one delivery at a time. Belongs to one event loop.

    Args:
        sink: URL that takes CloudEvents by POST, as Knative's K_SINK has it.
        batch: how many events one delivery holds at most: more than 1 only where the sink takes the batched form.
        source: the events' `source`.
        clock: tells an event's time.
        rng: for ids and jitter.
        metrics: count what is sent and what is dropped.
        logger: is told of what the sink does not take.
    """

    def __init__(
        self,
        *,
        sink: str,
        batch: int,
        source: str,
        clock: Clock,
        rng: random.Random,
        metrics: Metrics,
        logger: logging.Logger,
    ) -> None:
        self._sink = sink
        self._batch = batch
        self._source = source
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._logger = logger
        for reason in DROPPED:  # from the start on: the first one is a rise
            metrics.audit_events_dropped.labels(reason)
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._sending: asyncio.Task[None] | None = None
        self._ended = False
        url = urlsplit(sink)
        media_type = _BATCH if batch > 1 else _SINGLE
        self._head = (
            f"POST {url.path or '/'}{f'?{url.query}' if url.query else ''} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"User-Agent: {USER_AGENT}\r\nContent-Type: {media_type}; charset=utf-8\r\n"
        )
        opened = partial(
            Connection.open,
            host=url.hostname or "",
            port=url.port or _PORTS[url.scheme],
            tls=True if url.scheme == "https" else None,
            timeout=_CONNECT_SECONDS,
        )
        self._pool = ConnectionPool(open_connection=opened, limit=1)  # there is one delivery at a time

    def received(self, alert: NormalizedSignal | Poison) -> None:
        """Tell of an alert that came, before anything is known of it but what it says itself."""
        self._add("signal.received", _about(alert) | {"fingerprint": ""})

    def created(self, rr: RemediationRequest, signal: NormalizedSignal) -> None:
        """Tell of an RR that was created (core.protocol.recorder.Created)."""
        self._add("crd.created", _about(signal) | _rr(rr.name, rr.namespace) | {"outcome": Status.CREATED})

    def settled(self, alert: NormalizedSignal | Poison, result: SignalResult) -> None:
        """Tell what became of an alert, unless it created its RR: that was told where it was created."""
        if result.status not in _OUTCOMES:
            return
        told = {
            "outcome": result.status,
            "reason": result.reason,
            "message": cut_utf8(_text(result.error), limit=_SENTENCE_BYTES),
            "occurrence": (result.metadata or {}).get("count", 0),
        }
        about = _about(alert) | _rr(result.rr_name, result.rr_namespace)
        self._add(_OUTCOMES[result.status], about | told)

    async def close(self) -> None:
        """Send what waits, for FLUSH_SECONDS at most; the rest is dropped."""
        self._ended = True
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                if self._sending:
                    await asyncio.wait({self._sending})
                await self._send_waiting()  # an event loop that ends has cancelled the task before it comes here
        if sending := self._sending:
            sending.cancel()
            await asyncio.wait({sending})
        if self._waiting:
            self._drop(len(self._waiting), "ended", "this instance ends")
            self._waiting.clear()
        await self._pool.close()

    def _add(self, kind: str, data: Mapping[str, Any]) -> None:
        event = self._event(kind, data)
        if self._ended:
            self._drop(1, "ended", "this instance ends")
            return
        if self._bytes + len(event) > MOST_BYTES:
            self._drop(1, "full", "too many wait")
            return
        self._waiting.append(event)
        self._bytes += len(event)
        if self._sending is None:
            # Not in the context of the request that happens to be first: its lines are about the sink.
            self._sending = asyncio.get_running_loop().create_task(self._send_waiting(), context=Context())

    def _event(self, kind: str, data: Mapping[str, Any]) -> bytes:
        """Write an event in the JSON format (CloudEvents 1.0), with the Distributed Tracing and Partitioning
        extensions."""
        trace = current_trace.get()
        attributes = {
            "specversion": "1.0",
            "id": str(UUID(int=self._rng.getrandbits(128), version=4)),
            "source": self._source,
            "type": TYPE_PREFIX + kind,
            "time": rfc3339(self._clock.now()),
            "subject": data.get("remediationRequest", {}).get("name") or data.get("signalName"),
            "partitionkey": data.get("fingerprint"),
            "traceparent": trace.traceparent if trace else "",
            "tracestate": trace.state if trace else "",
            "datacontenttype": "application/json",
        }
        whole = {**data, "sender": admitted_sender.get(), "requestId": request_id.get()}
        return to_json(_present(attributes) | {"data": _present(whole)})

    async def _send_waiting(self) -> None:
        try:
            while self._waiting:
                events = list(islice(self._waiting, self._batch))
                await self._deliver(events)
                for event in events:
                    self._waiting.popleft()
                    self._bytes -= len(event)
        finally:
            self._sending = None

    async def _deliver(self, events: Sequence[bytes]) -> None:
        body = b"[" + b",".join(events) + b"]" if self._batch > 1 else events[0]
        message = f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        for tries in range(1, TRIES.steps + 1):
            status, why = await self._posted(message)
            if 200 <= status < 300:
                self._metrics.audit_events_sent.inc(len(events))
                return
            if tries == TRIES.steps or not (status == 0 or status in _LATER or status >= 500):
                break
            await self._clock.sleep(TRIES.delay(tries, random=self._rng.random))
        self._drop(len(events), "refused", why)

    async def _posted(self, message: bytes) -> tuple[int, str]:
        """Return the sink's status, 0 where there was no answer, and what is to be said of it."""
        try:
            async with asyncio.timeout(SEND_SECONDS), self._pool.connection() as connection:
                status = (await connection.call(message)).status
        except TimeoutError:
            return 0, f"no answer in {SEND_SECONDS:.0f} s"
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that is no name
            return 0, str(error) or type(error).__name__
        return status, f"it answered {status}"

    def _drop(self, count: int, reason: str, why: str) -> None:
        self._metrics.audit_events_dropped.labels(reason).inc(count)
        self._logger.warning(
            "audit events for %s are dropped: %s",
            self._sink,
            why,
            extra={"reason": reason, "dropped": count} | ONCE_A_SECOND,
        )


def _about(alert: NormalizedSignal | Poison) -> dict[str, Any]:
    if isinstance(alert, Poison):
        return {"signalName": _cut(alert.labels.get("alertname", "")), "reason": alert.reason}
    target = alert.target
    named = {"kind": target.kind, "name": target.name, "namespace": target.namespace}
    return {
        "fingerprint": alert.fingerprint,
        "signalName": _cut(alert.signal_name),
        "severity": _cut(alert.severity),
        "signalType": _cut(alert.signal_type),
        "signalSource": _cut(alert.signal_source),
        "target": {key: _cut(text) for key, text in named.items() if text},
        "foundBy": _cut(alert.found_by),
        "receivedTime": rfc3339(alert.received_time),
    }


def _rr(name: str, namespace: str) -> dict[str, Any]:
    return {"remediationRequest": {"name": name, "namespace": namespace}} if name else {}


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _cut(text: str) -> str:
    return cut_utf8(_text(text), limit=_TEXT_BYTES)


def _text(text: str) -> str:
    """Return what JSON can hold: half a surrogate pair is written as an escape."""
    return text.encode(errors="backslashreplace").decode()

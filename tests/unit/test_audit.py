"""Audit events: what is told of an alert, and that no sink, whatever it does, costs an alert anything."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from core import audit as module
from core.audit import AuditTrail
from core.common.clock import RealClock
from core.common.resilience import Backoff
from core.common.trace_context import TraceContext, current_trace, request_id, sent_by
from core.errors import ConfigurationError
from core.metrics import Metrics
from core.results import SignalResult, Status
from core.settings import load_settings
from core.signals.pubsub import form_of
from core.signals.signal import NormalizedSignal, Poison, TargetResource
from tests.support.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FAILED = SignalResult(status=Status.FAILED, error="etcd is down")


def signal(name: str = "HighMemoryUsage", **fields: Any) -> NormalizedSignal:
    given: dict[str, Any] = {
        "fingerprint": "f" * 64,
        "signal_name": name,
        "severity": "critical",
        "signal_type": "prometheus-alert",
        "target": TargetResource(kind="Pod", name="web-1", namespace="shop"),
        "found_by": "pod",
        "firing_time": NOW,
        "received_time": NOW,
        "labels": {"alertname": name},
        "payload": lambda: b"{}",
    }
    return NormalizedSignal(**given | fields)


class Trail:
    """An audit trail, and what it counted and logged."""

    def __init__(self, sink: str, *, batch: int = 1) -> None:
        self.registry = CollectorRegistry()
        self.lines: list[str] = []
        logger = logging.getLogger("sluice.audit")
        logger.handlers, logger.propagate = [_Kept(self.lines)], False
        self.trail = AuditTrail(
            sink=sink,
            batch=batch,
            source="/sluice/ns",
            clock=RealClock(),
            rng=random.Random(1),
            metrics=Metrics(registry=self.registry),
            logger=logger,
        )

    def receive(self, count: int = 1) -> None:
        for number in range(count):
            self.trail.received(signal(f"alert-{number}"))

    async def sent(self, count: int) -> None:
        """Wait until the sink has taken so many."""
        async with asyncio.timeout(60):
            while self.value("sent_total") < count:  # noqa: ASYNC110 - a counter tells nobody
                await asyncio.sleep(0.005)

    async def dropped(self, reason: str, count: int) -> None:
        async with asyncio.timeout(60):
            while self.value("dropped_total", reason=reason) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"gateway_audit_events_{name}", labels) or 0.0


class _Kept(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{request_id.get()}{record.getMessage()}")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as listening:
        yield listening


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another at once; what a sink is given to answer in stays long, but where a test says so."""
    monkeypatch.setattr(module, "TRIES", Backoff(steps=3, duration=0.001, factor=1.0, jitter=0.1))
    monkeypatch.setattr(module, "SEND_SECONDS", 60.0)


class TestEvent:
    async def test_says_who_sent_which_alert_of_what(self, sink):
        trail = Trail(sink.url)
        context = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True, state="vendor=1")
        tokens = current_trace.set(context), request_id.set("deploy-42")
        with sent_by("system:serviceaccount:monitoring:alertmanager"):
            trail.trail.received(signal())
        current_trace.reset(tokens[0])
        request_id.reset(tokens[1])
        await trail.trail.close()

        (event,) = sink.events
        time, identity = event.pop("time"), event.pop("id")
        assert datetime.fromisoformat(time).tzinfo is not None
        assert len(identity) == 36
        assert event == {
            "specversion": "1.0",
            "source": "/sluice/ns",
            "type": "ai.kubernaut.gateway.signal.received",
            "subject": "HighMemoryUsage",
            "traceparent": context.traceparent,
            "tracestate": "vendor=1",
            "datacontenttype": "application/json",
            "data": {
                "signalName": "HighMemoryUsage",
                "severity": "critical",
                "signalType": "prometheus-alert",
                "target": {"kind": "Pod", "name": "web-1", "namespace": "shop"},
                "foundBy": "pod",
                "receivedTime": "2026-01-02T03:04:05Z",
                "sender": "system:serviceaccount:monitoring:alertmanager",
                "requestId": "deploy-42",
            },
        }
        assert sink.targets == ["/events?from=sluice"]

    async def test_of_a_repeat_names_the_rr_and_its_count(self, sink):
        trail = Trail(sink.url)
        result = SignalResult(
            status=Status.DEDUPLICATED, rr_name="rr-1", rr_namespace="ns", metadata={"count": 7}, fingerprint="f" * 64
        )
        trail.trail.settled(signal(), result)
        await trail.trail.close()
        (event,) = sink.events
        assert (event["type"], event["subject"]) == ("ai.kubernaut.gateway.signal.deduplicated", "rr-1")
        assert event["partitionkey"] == event["data"]["fingerprint"] == "f" * 64
        assert event["data"]["remediationRequest"] == {"name": "rr-1", "namespace": "ns"}
        assert (event["data"]["occurrence"], event["data"]["outcome"]) == (7, "deduplicated")

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (Status.FAILED, ["crd.failed"]),
            (Status.IGNORED, ["signal.ignored"]),
            (Status.REJECTED, ["signal.rejected"]),
            (Status.INVALID, ["signal.rejected"]),
            (Status.CREATED, []),
        ],
    )
    async def test_of_another_outcome_says_why(self, sink, status, kind):
        trail = Trail(sink.url)
        trail.trail.settled(signal(), SignalResult(status=status, reason="a_word", error="a sentence"))
        await trail.trail.close()
        assert sink.kinds == kind
        assert [(event["data"]["reason"], event["data"]["message"]) for event in sink.events] == [
            ("a_word", "a sentence")
        ] * len(kind)

    async def test_of_poison_says_what_is_known(self, sink):
        trail = Trail(sink.url)
        poison = Poison("malformed_alert", "labels are missing", {"alertname": "half \ud800"})
        trail.trail.settled(poison, SignalResult(status=Status.INVALID, reason=poison.reason, error=poison.message))
        await trail.trail.close()
        (event,) = sink.events
        assert event["data"]["signalName"] == "half \\ud800"
        assert event["data"]["reason"] == "malformed_alert"

    async def test_is_short_whatever_the_alert_holds(self, sink):
        trail = Trail(sink.url)
        long = "ä" * 100_000
        huge = signal(long, severity=long, found_by=long, target=TargetResource(kind=long, name=long, namespace=long))
        trail.trail.settled(huge, SignalResult(status=Status.FAILED, error=long))
        await trail.trail.close()
        (event,) = sink.events
        assert len(json.dumps(event, ensure_ascii=False).encode()) < 6_000

    async def test_is_no_alert_to_a_function_that_gets_it_back(self, sink):
        trail = Trail(sink.url)
        trail.receive()
        await trail.trail.close()
        (event,) = sink.events
        assert not form_of(event["data"])


class TestDelivery:
    async def test_keeps_the_order_over_one_connection(self, sink):
        trail = Trail(sink.url)
        trail.receive(50)
        await trail.sent(50)
        assert [event["data"]["signalName"] for event in sink.events] == [f"alert-{number}" for number in range(50)]
        assert len({event["id"] for event in sink.events}) == 50
        await trail.trail.close()

    async def test_takes_as_many_together_as_the_setting_says(self, sink):
        trail = Trail(sink.url, batch=20)
        trail.receive(50)
        await trail.sent(50)
        assert [len(delivery) for delivery in sink.deliveries] == [20, 20, 10]
        await trail.trail.close()

    @pytest.mark.parametrize("status", [503, 500, 429, 408])
    async def test_that_may_work_later_is_tried_again_as_it_was(self, sink, status):
        sink.answers = [status, status]
        trail = Trail(sink.url)
        trail.receive()
        await trail.sent(1)
        assert len(sink.deliveries) == 3
        assert len(sink.events) == 1
        await trail.trail.close()

    @pytest.mark.parametrize("status", [400, 404, 413, 302])
    async def test_that_never_works_is_dropped_and_the_next_ones_follow(self, sink, status):
        sink.answers = [status]
        trail = Trail(sink.url)
        trail.receive(2)
        await trail.sent(1)
        assert [event["data"]["signalName"] for event in sink.events] == ["alert-0", "alert-1"]
        assert trail.value("dropped_total", reason="refused") == 1
        assert trail.lines == [f"audit events for {sink.url} are dropped: it answered {status}"]
        await trail.trail.close()

    async def test_that_fails_is_logged_as_no_requests_own(self, sink):
        sink.answers = [400]
        trail = Trail(sink.url)
        token = request_id.set("of-the-first")
        trail.receive()
        request_id.reset(token)
        await trail.dropped("refused", 1)
        assert trail.lines == [f"audit events for {sink.url} are dropped: it answered 400"]
        await trail.trail.close()

    async def test_to_nobody_is_dropped_after_some_tries(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            trail = Trail(f"http://127.0.0.1:{taken.getsockname()[1]}")
            trail.receive(3)
            await trail.dropped("refused", 3)
        assert len(trail.lines) == 3
        await trail.trail.close()

    async def test_to_a_sink_that_never_answers_is_given_up(self, sink, monkeypatch):
        monkeypatch.setattr(module, "SEND_SECONDS", 0.05)
        sink.silent = True
        trail = Trail(sink.url)
        trail.receive()
        await trail.dropped("refused", 1)
        assert "no answer in 0 s" in trail.lines[0]
        await trail.trail.close()


class TestFlood:
    async def test_of_events_takes_no_more_memory_than_it_may(self, sink, monkeypatch):
        monkeypatch.setattr(module, "MOST_BYTES", 50_000)
        monkeypatch.setattr(module, "FLUSH_SECONDS", 0.05)
        sink.silent = True
        trail = Trail(sink.url)
        trail.receive(5_000)
        waiting = sum(map(len, trail.trail._waiting))
        assert 45_000 < waiting <= 50_000
        kept = len(trail.trail._waiting)
        assert trail.value("dropped_total", reason="full") == 5_000 - kept
        await trail.trail.close()
        assert trail.value("dropped_total", reason="ended") == kept

    async def test_that_is_over_leaves_room_again(self, sink, monkeypatch):
        monkeypatch.setattr(module, "MOST_BYTES", 5_000)
        trail = Trail(sink.url)
        for _ in range(5):
            trail.receive(5)
            await asyncio.sleep(0)
            assert trail.trail._sending
            await trail.trail._sending
        assert len(sink.events) == 25
        await trail.trail.close()


class TestEnd:
    async def test_sends_what_waits(self, sink):
        trail = Trail(sink.url)
        trail.receive(20)
        await trail.trail.close()
        assert len(sink.events) == trail.value("sent_total") == 20

    async def test_waits_no_longer_than_it_may_for_a_sink_that_hangs(self, sink, monkeypatch):
        monkeypatch.setattr(module, "FLUSH_SECONDS", 0.05)
        sink.silent = True
        trail = Trail(sink.url)
        trail.receive(20)
        async with asyncio.timeout(30):  # of SEND_SECONDS 60
            await trail.trail.close()
        assert trail.value("dropped_total", reason="ended") == 20
        assert trail.lines == [f"audit events for {sink.url} are dropped: this instance ends"]

    async def test_takes_nothing_more(self, sink):
        trail = Trail(sink.url)
        await trail.trail.close()
        trail.receive()
        assert trail.trail._sending is None
        assert sink.events == []


class TestSetting:
    @pytest.mark.parametrize(
        "url",
        [
            "ftp://sink",
            "sink:80",
            "broker",
            "http://",
            "http://user:secret@sink",
            "http://sink:0",
            "http://sink:65536",
            "http://sink/a b",
            "http://sink/\r\nX: y",
            "http://sïnk",
        ],
    )
    def test_that_is_no_url_stops_the_start_with_the_remedy(self, monkeypatch, url):
        monkeypatch.setenv("SLUICE_AUDIT_SINK", url)
        with pytest.raises(
            ConfigurationError, match=r"(?s)SLUICE_AUDIT_SINK=.* cannot work: .*such as `http://broker-i"
        ):
            load_settings()

    @pytest.mark.parametrize(
        "url", ["http://sink", "https://sink.example:8443/a/b?c=d", "http://[::1]:80/", "http://127.0.0.1:65535"]
    )
    def test_that_is_one_is_taken(self, monkeypatch, url):
        monkeypatch.setenv("SLUICE_AUDIT_SINK", url)
        assert load_settings().audit_sink == url

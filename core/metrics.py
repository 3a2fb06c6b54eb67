"""Prometheus metrics, under the names that operators of the Go gateway already graph."""

import asyncio
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.version import VERSION

# As the Go gateway's, and on: a request is answered within SLUICE_REQUEST_DEADLINE, 8 s, and Alertmanager waits 10.
_BUCKETS = (*(0.001 * 2**n for n in range(14)), 10.0)


class Metrics:
    """All counters of one process. `registry` is private to tests, the default one in a worker."""

    def __init__(self, *, registry: CollectorRegistry) -> None:
        self.signals_received = Counter(
            "gateway_signals_received_total",
            "Signals received, before any judgement.",
            ["source_type", "severity"],
            registry=registry,
        )
        self.signals_deduplicated = Counter(
            "gateway_signals_deduplicated_total",
            "Signals that joined an active RemediationRequest.",
            ["signal_name"],
            registry=registry,
        )
        self.signals_rejected = Counter(
            "gateway_signals_rejected_total",
            "Signals that can never become a remediation request, by reason.",
            ["reason"],
            registry=registry,
        )
        self.parse_dropped = Counter(
            "gateway_signals_parse_dropped_total",
            "Alerts that never reached us whole: cut off by the sender, or in a body that does not parse.",
            ["reason"],
            registry=registry,
        )
        self.signals_ignored = Counter(
            "gateway_signals_ignored_total",
            "Signals that ask for nothing, such as resolved alerts and old events, by reason.",
            ["reason"],
            registry=registry,
        )
        self.owner_resolution = Counter(
            "gateway_owner_resolution_total",
            "Lookups of the workload a target belongs to, by its kind: resolved, unchanged, vanished, error.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.crds_created = Counter(
            "gateway_crds_created_total",
            "RemediationRequests created.",
            ["source_type", "status"],
            registry=registry,
        )
        self.crd_creation_errors = Counter(
            "gateway_crd_creation_errors_total",
            "Tries to create a RemediationRequest that failed, by class of error.",
            ["error_type"],
            registry=registry,
        )
        self.request_duration = Histogram(
            "gateway_http_request_duration_seconds",
            "Time from a request's first byte to its answer.",
            ["endpoint", "method", "status"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.breaker_state = Gauge(
            "gateway_circuit_breaker_state",
            "0 closed, 1 half-open, 2 open.",
            ["name"],
            multiprocess_mode="max",
            registry=registry,
        )
        self.build_info = Gauge(
            "gateway_build_info",
            "1, with the version that runs.",
            ["version"],
            multiprocess_mode="max",
            registry=registry,
        )
        self.build_info.labels(version=VERSION).set(1)


class LoopTasks(Collector):
    """Counts the event loop's tasks when asked, so that requests pay nothing for it.

    Like the process's own metrics it is not there where the metrics of several workers are added up.
    """

    def __init__(self, *, registry: CollectorRegistry) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        """The one that serves, as soon as there is one."""
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the one sample; none before the first request."""
        if self.loop is not None:
            tasks = len(asyncio.all_tasks(self.loop))
            yield GaugeMetricFamily("gateway_asyncio_tasks", "Tasks of the event loop that are not done.", tasks)

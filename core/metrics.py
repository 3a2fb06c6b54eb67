"""Prometheus metrics, under the names that operators of kubernaut's gateway already graph.

A sender writes names and severities, so it must not choose how many series there are: each label has a bound.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.signals.names import SEVERITIES
from core.version import VERSION

# Nobody graphs when a counter began, and it is another line for each series.
_leave_out_created: Any = disable_created_metrics
_leave_out_created()

OTHER = "other"
"""What a label says of all values beyond its bound."""

MOST_NAMES = 300
"""Different alert names, as they came first, in one process."""

MOST_KINDS = 50
"""Different kinds of objects; a cluster may define any number."""

MOST_CLUSTERS = 20
"""Names of other clusters, as they came first."""

MOST_RULES = 100
"""Rules of SLUICE_RULES, as they matched first."""

DEAD_LETTER_OUTCOMES = ("kept", "repeated", "refused", "expired")

SHED_REASONS = ("bodies", "connections", "reviews")

_LONGEST_NAME = 100

_SEVERITIES = frozenset(("unknown", "normal")).union(*SEVERITIES)
"""The ones in use, in lower case."""

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

# As kubernaut's, and on: a request is answered within SLUICE_REQUEST_DEADLINE, 8 s, and Alertmanager waits 10.
_BUCKETS = (*(0.001 * 2**n for n in range(14)), 10.0)
_ROUND_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Bounded:
    """A label's values: the first `most` that come stand for themselves, all others are `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """Return what the label says of `value`."""
        value = value[:_LONGEST_NAME]
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(value)
        return value


def severity_label(severity: str) -> str:
    """Return a severity that is in use, in lower case, or `other`."""
    known = severity.lower()
    return known if known in _SEVERITIES else OTHER


def method_label(method: str) -> str:
    """Return an HTTP method of METHODS, or `other`."""
    return method if method in METHODS else OTHER


_KUBERNAUT_REASONS = {"out_of_scope": "unmanaged_resource"}


class Metrics:
    """All counters of one process. `registry` is private to tests, the default one in a worker."""

    def __init__(self, *, registry: CollectorRegistry) -> None:
        self._as_kubernaut = False
        self._name = Bounded(MOST_NAMES)
        self._resource = Bounded(MOST_KINDS)
        self._rule = Bounded(MOST_RULES)
        self._cluster = Bounded(MOST_CLUSTERS)
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
        self.signals_foreign = Counter(
            "gateway_foreign_signals_total",
            "Signals that name another cluster than SLUICE_CLUSTER, whose objects are not looked up, by its name.",
            ["cluster_name"],
            registry=registry,
        )
        self.signals_failed = Counter(
            "gateway_signals_failed_total",
            "Signals that could not be stored when they came; their senders were told to send them again.",
            ["source_type"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "gateway_dead_letters_total",
            f"Dead letters sent to the sink, and those it deleted for their age: {', '.join(DEAD_LETTER_OUTCOMES)}.",
            ["outcome"],
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
        self.rounds = Histogram(
            "gateway_round_signals",
            "Signals of one fingerprint that were stored together, by how many they were.",
            buckets=_ROUND_BUCKETS,
            registry=registry,
        )
        self.conflicts = Counter(
            "gateway_conflicts_total",
            "Rounds that met another instance's write to the same RR.",
            registry=registry,
        )
        self.requests_shed = Counter(
            "gateway_requests_shed_total",
            f"Requests answered 503 because this instance had too much to do: {', '.join(SHED_REASONS)}.",
            ["reason"],
            registry=registry,
        )
        for reason in SHED_REASONS:  # from the start on: the first one is a rise
            self.requests_shed.labels(reason)
        self.body_bytes = Gauge(
            "gateway_body_bytes_in_flight",
            "Bytes of SLUICE_BODY_BUDGET that the bodies of requests hold now.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.rules_matched = Counter(
            "gateway_rules_matched_total",
            "Signals that a rule matched, by the rule's name.",
            ["rule"],
            registry=registry,
        )
        self.lock_waits = Counter(
            "gateway_lock_waits_total",
            "Pauses of a new signal because another request held its fingerprint's lock.",
            registry=registry,
        )
        self.lock_takeovers = Counter(
            "gateway_lock_takeovers_total",
            "Locks taken over: their holder had run out of time, or their RR is over.",
            registry=registry,
        )
        self.api_calls = Counter(
            "gateway_api_calls_total",
            "Calls to the API server, by verb, resource and HTTP status; unanswered where no answer came.",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self.api_call_duration = Histogram(
            "gateway_api_call_duration_seconds",
            "Time that calls to the API server took, a wait for a connection included.",
            ["verb"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.audit_events_sent = Counter(
            "gateway_audit_events_sent_total",
            "Audit events that their sink took.",
            registry=registry,
        )
        self.audit_events_dropped = Counter(
            "gateway_audit_events_dropped_total",
            "Audit events that were dropped: too many waited (full), the sink did not take them (refused), or the "
            "process ended (ended).",
            ["reason"],
            registry=registry,
        )
        self.cold_start = Gauge(
            "gateway_cold_start_seconds",
            "Time from the process's start to its first answer to a sender.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.breaker_state = Gauge(
            "gateway_circuit_breaker_state",
            "0 closed, 1 half-open, 2 open.",
            ["name"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.build_info = Gauge(
            "gateway_build_info",
            "1, with the version that runs.",
            ["version"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.build_info.labels(version=VERSION).set(1)

    def follow(self, profile: str) -> None:
        """Let labels have the values that dashboards of SLUICE_PROFILE know."""
        self._as_kubernaut = profile == "kubernaut"

    def source_type(self, *, signal_type: str, signal_source: str) -> str:
        """Return where signals come from, as label: their type, or kubernaut's name of their source."""
        return signal_source if self._as_kubernaut else signal_type

    def rejected(self, reason: str) -> None:
        """Count a signal that can never become an RR (kubernaut: RejectionReasonUnmanagedResource)."""
        renamed = _KUBERNAUT_REASONS.get(reason, reason) if self._as_kubernaut else reason
        self.signals_rejected.labels(reason=renamed).inc()

    def looked_for_owners(self, *, kind: str, outcome: str) -> None:
        """Count a look for an object's workload: `resolved`, `unchanged` or `vanished`, or an `error`."""
        if self._as_kubernaut:
            outcome = "failed" if outcome == "error" else "success"
        self.owner_resolution.labels(kind=kind, outcome=outcome).inc()

    def received(self, *, source_type: str, severity: str) -> None:
        """Count a signal."""
        self.signals_received.labels(source_type, severity_label(severity)).inc()

    def deduplicated(self, signal_name: str) -> None:
        """Count a signal that joined an RR."""
        self.signals_deduplicated.labels(self._name(signal_name)).inc()

    def answered(self, *, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count an answer to an HTTP request."""
        self.request_duration.labels(endpoint, method_label(method), str(status)).observe(seconds)

    def called(self, *, verb: str, resource: str, code: str, seconds: float) -> None:
        """Count a call to the API server (core.kube.client.CallObserver)."""
        self.api_calls.labels(verb, self._resource(resource), code).inc()
        self.api_call_duration.labels(verb).observe(seconds)

    def shed(self, reason: str) -> None:
        """Count a request that was turned away, for one of SHED_REASONS."""
        self.requests_shed.labels(reason).inc()

    def foreign(self, cluster: str) -> None:
        """Count a signal of another cluster."""
        self.signals_foreign.labels(self._cluster(cluster)).inc()

    def matched(self, rule: str) -> None:
        """Count a signal that the rule of this name matched."""
        self.rules_matched.labels(self._rule(rule)).inc()

    def round_ended(self, *, signals: int, contended: bool) -> None:
        """Count a round."""
        self.rounds.observe(signals)
        if contended:
            self.conflicts.inc()


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

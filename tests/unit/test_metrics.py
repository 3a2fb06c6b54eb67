"""The names and labels that operators graph already."""

import asyncio
import subprocess
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.openmetrics import exposition, parser

from core.metrics import MOST_NAMES, MOST_RULES, SHED_REASONS, LoopTasks, Metrics
from tests.bench.exposition import flood
from tests.support.prometheus import find_prometheus

# As the field knows them; from signals_ignored on they are ours.
KNOWN = {
    "gateway_signals_received_total": ("counter", {"source_type", "severity"}),
    "gateway_signals_deduplicated_total": ("counter", {"signal_name"}),
    "gateway_crds_created_total": ("counter", {"source_type", "status"}),
    "gateway_crd_creation_errors_total": ("counter", {"error_type"}),
    "gateway_http_request_duration_seconds": ("histogram", {"endpoint", "method", "status"}),
    "gateway_circuit_breaker_state": ("gauge", {"name"}),
    "gateway_build_info": ("gauge", {"version"}),
    "gateway_signals_rejected_total": ("counter", {"reason"}),
    "gateway_dead_letters_total": ("counter", {"outcome"}),
    "gateway_owner_resolution_total": ("counter", {"kind", "outcome"}),
    "gateway_signals_ignored_total": ("counter", {"reason"}),
    "gateway_signals_parse_dropped_total": ("counter", {"reason"}),
    "gateway_foreign_signals_total": ("counter", {"cluster_name"}),
    "gateway_signals_failed_total": ("counter", {"source_type"}),
    "gateway_round_signals": ("histogram", set()),
    "gateway_conflicts_total": ("counter", set()),
    "gateway_lock_waits_total": ("counter", set()),
    "gateway_lock_takeovers_total": ("counter", set()),
    "gateway_api_calls_total": ("counter", {"verb", "resource", "code"}),
    "gateway_api_call_duration_seconds": ("histogram", {"verb"}),
    "gateway_audit_events_sent_total": ("counter", set()),
    "gateway_audit_events_dropped_total": ("counter", {"reason"}),
    "gateway_cold_start_seconds": ("gauge", set()),
    "gateway_requests_shed_total": ("counter", {"reason"}),
    "gateway_body_bytes_in_flight": ("gauge", set()),
    "gateway_rules_matched_total": ("counter", {"rule"}),
}


openmetrics: Any = exposition.generate_latest
parsed_openmetrics: Any = parser.text_string_to_metric_families


@pytest.fixture
def registry():
    registry = CollectorRegistry()
    metrics = Metrics(registry=registry)
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase) and metric._labelnames:
            metric.labels(*metric._labelnames)
    return registry


def test_names_types_and_labels_are_the_known_ones(registry):
    found = {}
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = (family.type, labels)
    assert found == KNOWN


def test_every_metric_says_what_it_counts(registry):
    assert all(family.documentation.endswith(".") for family in registry.collect())


def test_durations_fall_into_buckets_from_a_millisecond_doubling_to_ten_seconds(registry):
    durations = next(family for family in registry.collect() if family.name == "gateway_http_request_duration_seconds")
    bounds = [sample.labels["le"] for sample in durations.samples if sample.name.endswith("_bucket")]
    assert [float(bound) for bound in bounds[:-1]] == pytest.approx([*(0.001 * 2**n for n in range(14)), 10])
    assert bounds[-1] == "+Inf"


def test_two_instances_with_registries_of_their_own_do_not_meet():
    first, second = CollectorRegistry(), CollectorRegistry()
    Metrics(registry=first).deduplicated("a")
    Metrics(registry=second)
    name = "gateway_signals_deduplicated_total"
    assert first.get_sample_value(name, {"signal_name": "a"}) == 1
    assert second.get_sample_value(name, {"signal_name": "a"}) is None


async def test_tasks_of_the_loop_are_counted_when_asked():
    registry = CollectorRegistry()
    tasks = LoopTasks(registry=registry)
    assert registry.get_sample_value("gateway_asyncio_tasks") is None

    tasks.loop = asyncio.get_running_loop()

    before = registry.get_sample_value("gateway_asyncio_tasks") or 0
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
        assert registry.get_sample_value("gateway_asyncio_tasks") == before + 1
    assert registry.get_sample_value("gateway_asyncio_tasks") == before


def flooded() -> CollectorRegistry:
    """What is left of a sender that makes up everything it may write."""
    registry = CollectorRegistry()
    flood(Metrics(registry=registry))
    return registry


def test_twenty_thousand_names_and_severities_leave_a_page_that_can_be_scraped():
    registry = flooded()
    text = generate_latest(registry)
    assert len(text) < 200_000
    assert len(openmetrics(registry)) < 200_000
    assert b'gateway_signals_received_total{severity="other",source_type="prometheus-alert"} 20000.0' in text
    assert b'gateway_signals_deduplicated_total{signal_name="other"} %d.0' % (20_000 - MOST_NAMES) in text
    assert b'gateway_rules_matched_total{rule="other"} %d.0' % (20_000 - MOST_RULES) in text


def test_shed_requests_are_there_from_the_start_so_that_the_first_is_a_rise():
    registry = CollectorRegistry()
    Metrics(registry=registry)
    shed = [registry.get_sample_value("gateway_requests_shed_total", {"reason": reason}) for reason in SHED_REASONS]
    assert shed == [0] * len(SHED_REASONS)


def test_severities_in_use_keep_their_names_whatever_their_case():
    registry = CollectorRegistry()
    metrics = Metrics(registry=registry)
    for severity in ("critical", "Critical", "P1", ""):
        metrics.received(source_type="alert", severity=severity)

    def count(severity: str) -> float | None:
        labels = {"source_type": "alert", "severity": severity}
        return registry.get_sample_value("gateway_signals_received_total", labels)

    assert [count("critical"), count("p1"), count("other")] == [2, 1, 1]


def test_nobody_is_told_when_a_series_began(registry):
    for text in (generate_latest(registry), openmetrics(registry)):
        assert b"_created" not in text.replace(b"gateway_crds_created", b"")


def test_openmetrics_is_what_its_own_parser_takes(registry):
    families = {family.name for family in parsed_openmetrics(openmetrics(registry).decode())}
    assert {"gateway_signals_received", "gateway_round_signals", "gateway_cold_start_seconds"} <= families


def test_promtool_finds_nothing_to_say_about_them(registry):
    checked = subprocess.run(
        [find_prometheus().promtool, "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")

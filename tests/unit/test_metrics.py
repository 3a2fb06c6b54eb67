"""The names and labels that operators graph already."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from core.metrics import LoopTasks, Metrics

# As the field knows them; signals_ignored is ours.
KNOWN = {
    "gateway_signals_received_total": ("counter", {"source_type", "severity"}),
    "gateway_signals_deduplicated_total": ("counter", {"signal_name"}),
    "gateway_crds_created_total": ("counter", {"source_type", "status"}),
    "gateway_crd_creation_errors_total": ("counter", {"error_type"}),
    "gateway_http_request_duration_seconds": ("histogram", {"endpoint", "method", "status"}),
    "gateway_circuit_breaker_state": ("gauge", {"name"}),
    "gateway_build_info": ("gauge", {"version"}),
    "gateway_signals_rejected_total": ("counter", {"reason"}),
    "gateway_owner_resolution_total": ("counter", {"kind", "outcome"}),
    "gateway_signals_ignored_total": ("counter", {"reason"}),
    "gateway_signals_parse_dropped_total": ("counter", {"reason"}),
}


@pytest.fixture
def registry():
    registry = CollectorRegistry()
    metrics = Metrics(registry=registry)
    for metric in vars(metrics).values():
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
    (durations,) = [family for family in registry.collect() if family.type == "histogram"]
    bounds = [sample.labels["le"] for sample in durations.samples if sample.name.endswith("_bucket")]
    assert [float(bound) for bound in bounds[:-1]] == pytest.approx([*(0.001 * 2**n for n in range(14)), 10])
    assert bounds[-1] == "+Inf"


def test_two_instances_with_registries_of_their_own_do_not_meet():
    first, second = CollectorRegistry(), CollectorRegistry()
    Metrics(registry=first).signals_deduplicated.labels(signal_name="a").inc()
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

from collections import Counter

import pytest

from tests.bench.cases import Case, all_cases, default_cases, selected
from tests.bench.floor import Template
from tests.bench.workloads import NEW, STORM, TWO_HUNDRED, WITH_DEFAULTS, WORKLOADS, operations, storm

REQUEST = {
    "apiVersion": "remediation.kubernaut.ai/v1alpha1",
    "kind": "RemediationRequest",
    "metadata": {
        "name": "rr-aaaa-bbbb",
        "namespace": "here",
        "labels": {"l": "1"},
        "annotations": {"a": "2"},
        "uid": "u",
        "managedFields": [],
    },
    "spec": {
        "signalFingerprint": "f" * 64,
        "targetResource": {"name": "pod-of-template"},
        "payload": "pod-of-template",
    },
    "status": {"deduplication": {"occurrenceCount": 1}},
}


def test_first_signal_on_a_target_is_new_and_the_others_repeat_it():
    assert list(operations((("a", "b"), ("a",), ("k",)), known=("k",))) == [
        ("new", "a"),
        ("new", "b"),
        ("repeat", "a"),
        ("repeat", "k"),
    ]


def test_storm_sends_300_targets_five_times_from_two_senders():
    sent = Counter(target for webhook in storm() for target in webhook)
    assert len(sent) == 300
    assert set(sent.values()) == {10}
    kinds = Counter(kind for kind, _ in operations(storm(), known=()))
    assert kinds == {"new": 300, "repeat": 2700}


@pytest.mark.parametrize("workload", WORKLOADS + WITH_DEFAULTS, ids=lambda workload: workload.name)
def test_each_webhook_carries_as_many_alerts_as_its_workload_says(workload):
    assert {len(webhook) for webhook in workload.draw()} == {workload.alerts}


def test_no_slice_draws_a_target_of_another_but_for_repeats():
    drawn = [
        target for _ in range(2) for workload in (NEW, TWO_HUNDRED, STORM) for target in set(sum(workload.draw(), ()))
    ]
    assert len(drawn) == len(set(drawn))


def test_bare_client_works_on_as_many_signals_as_the_gateway_does_at_once():
    assert NEW.floor_in_flight == 16
    assert TWO_HUNDRED.floor_in_flight == 100


def test_default_run_has_every_workload_every_size_and_every_number_of_processes():
    cases = default_cases()
    assert {case.workload for case in cases} == {*WORKLOADS, *WITH_DEFAULTS}
    assert {case.requests for case in cases} == {0, 1_000, 10_000}
    assert {case.processes for case in cases} == {1, 2, 4}
    assert len(all_cases()) == len(set(all_cases())) == len(WORKLOADS + WITH_DEFAULTS) * 9
    assert set(cases) < set(all_cases())


def test_workloads_are_selected_by_parts_of_their_names_and_ordered_by_size():
    chosen = selected([Case(NEW, requests=1_000), Case(STORM), Case(NEW)], only=["new,", "nothing"])
    assert chosen == [Case(NEW), Case(NEW, requests=1_000)]


def test_bare_clients_request_is_as_large_as_the_gateways_and_has_nothing_of_the_servers():
    template = Template.of(REQUEST)
    filled = template.filled("pod-x", fingerprint="e" * 64)
    assert '"name":"floor-eeeeeeeeeeeeeeeeee"' in filled
    assert '"signalFingerprint":"' + "e" * 64 + '"' in filled
    assert filled.count("pod-x") == 2
    for gone in ("uid", "managedFields", "status", "rr-aaaa", "pod-of-template", "ffff"):
        assert gone not in filled

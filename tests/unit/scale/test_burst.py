"""Bursts whose course can be told without a computer."""

from dataclasses import replace

import pytest

from tests.bench.scale.burst import Burst, Outcome
from tests.bench.scale.manifests import ServiceSettings
from tests.bench.scale.senders import Phase
from tests.bench.scale.work import ServerCapacity, Work

# A pod finishes ten of these a second, a core of the server as well.
WORK = Work(signals=2.0, function=0.1, server=0.1, seats=0.0001, latency=0.1)
AMPLE = ServerCapacity(cores=1000.0, seats=1000.0)
SETTINGS = ServiceSettings(container_concurrency=10, target=10.0, target_burst_capacity=20.0, max_scale=5, timeout=30.0)
ONE_POD = replace(SETTINGS, max_scale=1)


def run(webhooks: float, *, seconds: int = 400, end: float = 1.0, server: ServerCapacity = AMPLE, **options) -> Outcome:
    settings = options.pop("settings", SETTINGS)
    phases = [Phase(start=0.0, end=end, webhooks=webhooks, work=WORK)]
    return Burst(settings, phases, server=server, **({"starts_in": 2.0} | options)).run(seconds)


def test_nothing_is_stored_before_the_first_pod_is_ready():
    outcome = run(10)
    assert [sample.stored for sample in outcome.samples[:2]] == [0.0, 0.0]
    assert [sample.ready for sample in outcome.samples[:3]] == [0, 1, 1]


def test_a_small_burst_is_stored_as_fast_as_one_pod_works():
    outcome = run(10)
    assert outcome.all_stored_at == 3.0  # ready after 2 s, ten webhooks at ten a second
    assert outcome.refused == 0


@pytest.mark.parametrize("webhooks", [10, 300, 30_000])
def test_every_signal_is_stored_in_the_end(webhooks):
    outcome = run(webhooks, seconds=3_000, end=5.0)
    assert outcome.all_stored_at is not None
    assert outcome.stored == pytest.approx(2 * webhooks)


def test_pods_grow_to_max_scale_and_no_further():
    outcome = run(30_000, seconds=60)
    assert outcome.most_ready == 5


def test_the_activator_refuses_what_its_queue_cannot_hold():
    outcome = run(12_000, seconds=2)
    assert outcome.refused > 2_000
    assert outcome.most_waiting == pytest.approx(10_000)


def test_a_second_activator_holds_twice_as_much():
    assert run(12_000, seconds=2, activators=2).refused == 0


def test_a_slow_server_makes_the_function_answer_503_at_its_deadline():
    # 10 in the pod and one finished each second: two are late after 8 s.
    outcome = run(10, server=ServerCapacity(cores=0.1, seats=1000.0), settings=ONE_POD, seconds=60)
    assert 1.0 <= outcome.refused <= 3.0
    assert outcome.stored == pytest.approx(20)


def test_seats_bound_the_throughput_as_cores_do():
    tight = ServerCapacity(cores=1000.0, seats=0.0001 * 5)  # five webhooks a second
    outcome = run(20, server=tight)
    assert max(sample.stored for sample in outcome.samples) == pytest.approx(10.0)


def test_the_function_scales_to_zero_after_retention():
    outcome = run(1, settings=replace(ONE_POD, retention=100.0))
    assert outcome.to_zero_at is not None
    # The last second that counts is in the stable window for 60 s; then 100 s.
    assert 160 <= outcome.to_zero_at <= 168


def test_a_warm_pod_answers_at_once():
    outcome = run(5, ready=1)
    assert outcome.all_stored_at == 1.0

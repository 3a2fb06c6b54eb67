"""Settings that the model gives keep the promises they are for."""

from dataclasses import replace

import pytest

from tests.bench.scale.advice import advise, advised, calls_at_once, late_after
from tests.bench.scale.burst import REQUEST_DEADLINE
from tests.bench.scale.flow_control import shipped_level
from tests.bench.scale.manifests import base_service
from tests.bench.scale.model import Mix, demand
from tests.bench.scale.work import Work
from tests.unit.scale.test_model import COSTS

MIX = Mix(per_second=1_000, stored=1_000, active=1_000)


@pytest.mark.parametrize("rate", [10, 1_000, 100_000])
@pytest.mark.parametrize("cores", [2.0, 16.0, 64.0])
def test_what_all_instances_take_at_once_is_answered_within_the_deadline(rate, cores):
    mix = replace(MIX, per_second=rate)
    advice = advise(mix, COSTS, cores=cores)
    service = advised(base_service(), advice)
    assert late_after(service, Work.of(mix, COSTS), cores=cores) <= REQUEST_DEADLINE


def test_calls_at_once_find_seats_or_a_place_in_the_queues():
    advice = advise(replace(MIX, per_second=3_000), COSTS, cores=16.0)
    service = advised(base_service(), advice)
    level = shipped_level()
    assert calls_at_once(service, max_concurrent=advice.max_concurrent) <= level.seats + level.most_waiting


@pytest.mark.parametrize(("stored", "active", "namespaces"), [(10_000, 100, 1), (10_001, 100, 2), (100, 25_000, 3)])
def test_namespaces_follow_what_a_list_looks_at_and_what_memory_holds(stored, active, namespaces):
    assert advise(replace(MIX, stored=stored, active=active), COSTS, cores=4.0).namespaces == namespaces


def test_an_api_server_that_is_too_small_takes_its_share():
    advice = advise(MIX, COSTS, cores=1.0)
    assert advice.taken_per_second < 1_000
    assert advice.needed_cores == pytest.approx(demand(MIX, COSTS).server_cores)


def test_one_that_suffices_takes_all():
    assert advise(MIX, COSTS, cores=100.0).taken_per_second == 1_000

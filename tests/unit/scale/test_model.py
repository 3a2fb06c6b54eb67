"""The model on round numbers, and on what the manifests and the kept calibration say."""

from dataclasses import replace

import pytest

from tests.bench.scale.calibration import CALIBRATION, read_calibration
from tests.bench.scale.checks import checks
from tests.bench.scale.costs import Costs, Curve, FunctionCosts
from tests.bench.scale.flow_control import PriorityLevel, shipped_level
from tests.bench.scale.model import Mix, calls_per_signal, demand, function_ms_per_signal

LEVEL = PriorityLevel(seats=40, queues=16, hand_size=4, queue_length=50)
ONE_MS = dict.fromkeys(
    ("create_lease", "create_request", "patch_status", "delete_lease", "get_request", "get_owner"), 1.0
)
COSTS = Costs(
    calls=ONE_MS,
    latency=ONE_MS,
    lists=Curve(1.0, ((1_000.0, 1.0),)),
    list_latency=Curve(1.0, ((1_000.0, 1.0),)),
    function=FunctionCosts(post=1.0, signal=0.5, round=1.0, new=5.0),
)
NEW = Mix(per_second=1.0, new=1.0, instances=1, stored=0.0, alerts=1.0)
REPEAT = replace(NEW, new=0.0)


class TestCurve:
    CURVE = Curve(1.0, ((100.0, 1.0), (10_000.0, 1_000.0)))

    @pytest.mark.parametrize(("requests", "value"), [(0, 1), (50, 1.5), (100, 2), (10_000, 1_001)])
    def test_it_meets_its_points_and_is_straight_before_them(self, requests, value):
        assert self.CURVE.at(requests) == pytest.approx(value)

    def test_between_and_after_them_it_follows_a_power(self):
        # A thousandfold for a hundredfold: the power 1.5.
        assert self.CURVE.at(400) == pytest.approx(1 + 8)
        assert self.CURVE.at(40_000) == pytest.approx(1 + 8_000)


def calls(mix: Mix) -> float:
    return sum(calls_per_signal(mix).values())


class TestCalls:
    def test_a_new_signal_takes_five(self):
        assert calls(NEW) == 5

    def test_a_repeat_takes_one(self):
        assert calls_per_signal(REPEAT)["patch_status"] == calls(REPEAT) == 1

    def test_joined_repeats_share_one(self):
        assert calls(replace(REPEAT, joins=10)) == pytest.approx(0.1)

    def test_with_two_instances_every_other_repeat_takes_three(self):
        assert calls(replace(REPEAT, instances=2)) == pytest.approx(2.0)

    def test_what_memory_cannot_hold_takes_a_list(self):
        assert calls_per_signal(replace(REPEAT, active=20_000))["list_requests"] == pytest.approx(0.5)

    def test_owner_lookups_come_on_top(self):
        assert calls(replace(REPEAT, lookups=0.25)) == pytest.approx(1.25)


class TestDemand:
    def test_cores_are_calls_by_their_cost(self):
        assert demand(replace(NEW, per_second=1000), COSTS, level=LEVEL).server_cores == pytest.approx(5.0)

    def test_a_list_costs_more_beside_more_requests(self):
        crowded = demand(replace(NEW, per_second=1000, stored=10_000), COSTS, level=LEVEL)
        assert crowded.server_cores == pytest.approx(15.0)

    def test_shards_divide_what_a_list_looks_at(self):
        sharded = demand(replace(NEW, per_second=1000, stored=1_000, shards=10), COSTS, level=LEVEL)
        assert sharded.server_cores == pytest.approx(6.0)

    def test_etcd_writes_leave_reads_out(self):
        assert demand(replace(NEW, per_second=10), COSTS, level=LEVEL).writes == pytest.approx(40)

    def test_a_post_is_shared_by_its_alerts(self):
        assert function_ms_per_signal(NEW, COSTS) == pytest.approx(6.5)
        assert function_ms_per_signal(replace(NEW, alerts=10), COSTS) == pytest.approx(5.6)

    def test_instances_follow_the_cpu_and_what_spreading_costs(self):
        alone = demand(replace(REPEAT, per_second=200), COSTS, level=LEVEL)
        spread = demand(replace(REPEAT, per_second=2_000, instances=0), COSTS, level=LEVEL)
        assert alone.instances_per_shard == 1  # 0.5 cores
        assert spread.instances_per_shard > 8  # 5 cores, and the calls that spreading adds

    def test_seats_are_calls_by_the_time_they_take(self):
        assert demand(replace(REPEAT, per_second=1000), COSTS, level=LEVEL).seats == pytest.approx(1.0)


class TestPriorityLevel:
    def test_the_shipped_one_has_its_share_of_the_defaults(self):
        assert shipped_level() == PriorityLevel(seats=46, queues=16, hand_size=4, queue_length=50, lendable=0.5)

    def test_a_flow_waits_in_the_queues_dealt_to_it(self):
        assert shipped_level().most_waiting == 200

    @pytest.mark.parametrize(("stored", "seats"), [(0, 1), (30, 1), (100, 3), (100_000, 7)])
    def test_a_list_takes_seats_by_all_that_is_stored(self, stored, seats):
        assert shipped_level().list_seats(stored_in_cluster=stored, object_bytes=3_000) == seats


class TestCalibration:
    def test_the_kept_one_can_be_read(self):
        measured = read_calibration()
        assert {cost.requests for cost in measured.lists} >= {0, 1_000, 10_000}
        assert measured.machine["cores"]

    def test_another_file_is_refused_by_name(self, tmp_path):
        other = tmp_path / "other.json"
        other.write_text("{}")
        with pytest.raises(ValueError, match=r"other\.json is no calibration"):
            read_calibration(other)

    def test_it_is_written_as_it_is_read(self, tmp_path):
        read_calibration().write(tmp_path / "copy.json")
        assert (tmp_path / "copy.json").read_text() == CALIBRATION.read_text()

    def test_the_counted_calls_are_those_of_the_protocol(self):
        loads = read_calibration().loads
        assert sum(loads["new"].calls.values()) == pytest.approx(calls(NEW), rel=0.02)
        assert sum(loads["repeat"].calls.values()) == pytest.approx(calls(REPEAT), rel=0.1)

    def test_the_model_is_within_its_documented_error_of_loads_it_was_not_made_from(self):
        measured = read_calibration()
        mixed = [check for check in checks(measured, Costs.of(measured)) if "mixed" in check.name]
        assert len(mixed) == 3  # calls, and CPU of both
        assert all(abs(check.error) < 0.3 for check in mixed), mixed


def test_sizes_measured_earlier_are_kept():
    measured = read_calibration()
    few = replace(measured, lists=measured.lists[:2], memory=measured.memory[:2])
    kept = few.with_sizes_of(measured)
    assert kept.lists == measured.lists
    assert kept.memory == measured.memory


def test_a_calibration_without_the_sizes_of_the_curve_is_refused():
    measured = read_calibration()
    with pytest.raises(ValueError, match="must name one"):
        Costs.of(replace(measured, lists=measured.lists[:1]))

"""The simulated autoscaler against cases worked out by hand."""

import pytest

from tests.bench.scale.autoscaler import Autoscaler, Decision, ScaleToZero, Window
from tests.bench.scale.manifests import ServiceSettings

# A pod is to have 7 requests of the 10 it can take.
SETTINGS = ServiceSettings(container_concurrency=10, target=10.0, target_burst_capacity=20.0, max_scale=50)


def decide(autoscaler: Autoscaler, second: int, *, ready: int) -> Decision:
    decision = autoscaler.decide(second, ready=ready)
    assert decision is not None
    return decision


def feed(autoscaler: Autoscaler, concurrency: float, *, start: int, seconds: int) -> int:
    for second in range(start, start + seconds):
        autoscaler.record(second, concurrency)
    return start + seconds - 1


class TestWindow:
    def test_average_is_over_the_seconds_known_so_far(self):
        window = Window(6)
        window.record(0, 10.0)
        window.record(1, 20.0)
        assert window.average(1) == 15.0

    def test_values_older_than_the_window_count_no_more(self):
        window = Window(3)
        for second, value in enumerate((90.0, 3.0, 6.0, 9.0)):
            window.record(second, value)
        assert window.average(3) == 6.0

    def test_a_gap_counts_as_zero(self):
        window = Window(4)
        window.record(0, 8.0)
        window.record(3, 8.0)
        assert window.average(3) == 4.0

    def test_late_reports_shrink_the_window(self):
        window = Window(4)
        for second in range(4):
            window.record(second, 8.0)
        assert window.average(5) == 8.0

    def test_after_more_than_a_window_of_silence_nothing_is_known(self):
        window = Window(4)
        assert window.average(0) is None
        window.record(0, 8.0)
        assert window.average(4) == 0.0
        assert window.average(5) is None

    def test_it_begins_anew_after_silence(self):
        window = Window(4)
        window.record(0, 8.0)
        window.average(4)
        window.record(9, 6.0)
        assert window.average(9) == 6.0


class TestStableMode:
    def test_nothing_known_decides_nothing(self):
        assert Autoscaler(SETTINGS).decide(0, ready=0) is None

    def test_pods_are_concurrency_by_target_rounded_up(self):
        autoscaler = Autoscaler(SETTINGS)
        now = feed(autoscaler, 13.0, start=0, seconds=60)
        # 13 / 7 = 1.86; two of two ready pods are not twice what is there.
        assert decide(autoscaler, now, ready=2).pods == 2

    def test_it_halves_at_most(self):
        autoscaler = Autoscaler(SETTINGS)
        now = feed(autoscaler, 7.0, start=0, seconds=60)
        assert decide(autoscaler, now, ready=9).pods == 4

    def test_it_goes_to_zero_from_one(self):
        autoscaler = Autoscaler(SETTINGS)
        now = feed(autoscaler, 0.0, start=0, seconds=60)
        assert decide(autoscaler, now, ready=1).pods == 0


class TestPanic:
    def test_twice_the_ready_pods_begins_a_panic(self):
        autoscaler = Autoscaler(SETTINGS)
        feed(autoscaler, 7.0, start=0, seconds=54)
        now = feed(autoscaler, 70.0, start=54, seconds=6)
        # Stable: (54 x 7 + 6 x 70) / 60 = 13.3 -> 2 pods; panic: 70 / 7 = 10.
        assert decide(autoscaler, now, ready=2) == Decision(10, -70, panicking=True)

    def test_less_than_twice_does_not(self):
        autoscaler = Autoscaler(SETTINGS)
        feed(autoscaler, 7.0, start=0, seconds=54)
        now = feed(autoscaler, 21.0, start=54, seconds=6)
        assert decide(autoscaler, now, ready=2) == Decision(2, -21, panicking=False)

    def test_pods_are_never_taken_away_in_it(self):
        autoscaler = Autoscaler(SETTINGS)
        now = feed(autoscaler, 70.0, start=0, seconds=6)
        assert decide(autoscaler, now, ready=1).pods == 10
        now = feed(autoscaler, 0.0, start=6, seconds=30)
        assert decide(autoscaler, now, ready=10).pods == 10

    def test_it_ends_a_stable_window_after_the_last_excess(self):
        autoscaler = Autoscaler(SETTINGS)
        feed(autoscaler, 70.0, start=0, seconds=6)
        assert decide(autoscaler, 5, ready=1).panicking
        feed(autoscaler, 0.0, start=6, seconds=60)
        assert decide(autoscaler, 65, ready=10).panicking
        autoscaler.record(66, 0.0)
        assert decide(autoscaler, 66, ready=10) == Decision(5, 80, panicking=False)

    def test_more_than_one_pod_at_the_start_is_a_panic(self):
        autoscaler = Autoscaler(SETTINGS, ready=3)
        autoscaler.record(0, 0.0)
        assert decide(autoscaler, 0, ready=3) == Decision(3, 10, panicking=True)

    def test_it_grows_by_the_rate_at_most(self):
        autoscaler = Autoscaler(ServiceSettings(container_concurrency=1, target=1.0))
        autoscaler.record(0, 10_000.0)
        assert decide(autoscaler, 0, ready=0).pods == 1_000


class TestExcessBurstCapacity:
    def test_it_is_what_is_left_beside_the_burst_to_expect(self):
        autoscaler = Autoscaler(SETTINGS)
        now = feed(autoscaler, 5.5, start=0, seconds=60)
        # 4 pods x 10 - 20 - 5.5 = 14.5
        assert decide(autoscaler, now, ready=4).excess_burst_capacity == 14

    @pytest.mark.parametrize(("burst", "excess"), [(0.0, 0), (-1.0, -1)])
    def test_zero_and_minus_one_have_meanings_of_their_own(self, burst, excess):
        autoscaler = Autoscaler(ServiceSettings(container_concurrency=10, target=10.0, target_burst_capacity=burst))
        autoscaler.record(0, 5.0)
        assert decide(autoscaler, 0, ready=100).excess_burst_capacity == excess


class TestScaleToZero:
    def test_bounds_hold(self):
        bounds = ScaleToZero(ServiceSettings(min_scale=2, max_scale=5))
        assert [bounds.bound(wanted, 0.0) for wanted in (0, 3, 9)] == [2, 3, 5]

    def test_the_last_pod_stays_through_the_grace_period(self):
        bounds = ScaleToZero(ServiceSettings())
        assert bounds.bound(1, 0.0) == 1
        assert bounds.bound(0, 60.0) == 1
        assert bounds.bound(0, 89.0) == 1
        assert bounds.bound(0, 90.0) == 0

    def test_retention_is_longer_where_it_is_asked_for(self):
        bounds = ScaleToZero(ServiceSettings(retention=360.0))
        bounds.bound(1, 0.0)
        assert bounds.bound(0, 60.0) == 1
        assert bounds.bound(0, 419.0) == 1
        assert bounds.bound(0, 420.0) == 0

    def test_a_pod_that_just_came_stays_a_stable_window(self):
        bounds = ScaleToZero(ServiceSettings())
        bounds.bound(1, 100.0)
        assert bounds.bound(0, 130.0) == 1
        assert bounds.bound(0, 189.0) == 1  # inactive only from 160 on

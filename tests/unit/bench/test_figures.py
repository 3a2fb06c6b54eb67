import pytest

from tests.bench.api_calls import parse_calls
from tests.bench.figures import SHARES, percentile, ratios, side, timeline
from tests.bench.load import Slice, merged
from tests.bench.measuring import Measured
from tests.unit.bench.factories import make_row

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",group="g",resource="remediationrequests",subresource="",verb="POST"} 3
apiserver_request_total{code="409",group="g",resource="remediationrequests",subresource="",verb="POST"} 2
apiserver_request_total{code="200",group="g",resource="remediationrequests",subresource="status",verb="PATCH"} 7
apiserver_request_total{code="200",group="",resource="secrets",subresource="",verb="LIST"} 9
apiserver_request_duration_seconds_count{resource="leases",verb="POST"} 100
"""


def make_slice(*latencies: float, seconds: float = 1.0) -> Slice:
    return Slice(latencies, latencies, seconds)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.51, 3), (0.95, 4), (0.01, 1), (1.0, 4)])
def test_percentile_is_a_value_that_was_measured(share, expected):
    assert percentile([4, 2, 1, 3], share) == expected


def test_side_counts_the_alerts_that_each_operation_carried():
    first = Measured(make_slice(0.1, 0.2), {"POST leases": 30}, {"function": 0.4})
    second = Measured(make_slice(0.3, 0.4), {"POST leases": 50, "LIST leases": 8}, {"function": 0.4})
    summed = side([first, second], alerts=20)
    assert summed.per_second == 40
    assert summed.p50 == pytest.approx(200)
    assert summed.calls == {"POST leases": 1.0, "LIST leases": 0.1}
    assert summed.calls_per_signal == pytest.approx(1.1)
    assert summed.cpu == {"function": 10.0}
    assert len(summed.quantiles) == len(SHARES)
    assert (summed.quantiles[0], summed.quantiles[-1]) == (100, 400)


def test_timeline_counts_what_ended_in_each_quarter_of_a_second():
    one = Slice((0.0,) * 4, (0.01, 0.05, 0.30, 0.70), 0.75)
    assert timeline(one, alerts=1) == pytest.approx([8, 4, 4])


def test_timeline_never_divides_by_a_remainder_of_time():
    one = Slice((0.0,) * 3, (0.05, 0.30, 0.501), 0.501)
    assert timeline(one, alerts=1) == pytest.approx([4, 8])


def test_one_slow_moment_does_not_change_the_ratio():
    fast, slow = make_slice(*(0.1,) * 10), make_slice(*(0.1,) * 10, seconds=10.0)
    pairs = ratios([fast, slow, fast], [fast, slow, slow], alerts=1)
    assert pairs == [1, 1, 10]
    row = make_row("new", requests=1000, processes=2, ratios=pairs)
    assert row.ratio == 1
    assert row.title == "new · 1,000 RRs · 2 processes"


def test_webhooks_are_held_against_bare_calls_signal_by_signal():
    assert ratios([make_slice(0.5, 0.5)], [make_slice(*(0.1,) * 80)], alerts=20) == [0.5]


def test_slices_side_by_side_last_as_long_as_the_longest():
    both = merged([make_slice(0.1, seconds=1.0), make_slice(0.2, 0.3, seconds=1.5)])
    assert both == Slice((0.1, 0.2, 0.3), (0.1, 0.2, 0.3), 1.5)


def test_calls_of_all_codes_are_added_up_and_other_kinds_left_out():
    assert parse_calls(METRICS) == {"POST remediationrequests": 5, "PATCH remediationrequests/status": 7}

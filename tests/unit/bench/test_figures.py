import pytest

from tests.bench.api_calls import parse_calls
from tests.bench.figures import percentile, ratio, side
from tests.bench.load import Slice, run

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",group="g",resource="remediationrequests",subresource="",verb="POST"} 3
apiserver_request_total{code="409",group="g",resource="remediationrequests",subresource="",verb="POST"} 2
apiserver_request_total{code="200",group="g",resource="remediationrequests",subresource="status",verb="PATCH"} 7
apiserver_request_total{code="200",group="",resource="pods",subresource="",verb="LIST"} 9
apiserver_request_duration_seconds_count{resource="leases",verb="POST"} 100
"""


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.51, 3), (0.95, 4), (0.01, 1), (1.0, 4)])
def test_percentile_is_a_value_that_was_measured(share, expected):
    assert percentile([4, 2, 1, 3], share) == expected


def test_side_counts_the_signals_that_each_operation_carried():
    summed = side([Slice((0.1, 0.2), 1.0), Slice((0.3, 0.4), 1.0)], signals=20)
    assert summed.per_second == 40
    assert summed.p50 == pytest.approx(200)


def test_ratio_is_the_median_of_pairs_so_that_one_slow_moment_does_not_count():
    fast, slow = Slice((0.1,) * 10, 1.0), Slice((0.1,) * 10, 10.0)
    assert ratio([fast, slow, fast], [fast, slow, slow], signals=1) == 1


def test_calls_of_all_codes_are_added_up_and_other_kinds_left_out():
    assert parse_calls(METRICS) == {"POST remediationrequests": 5, "PATCH remediationrequests/status": 7}


async def test_loop_keeps_to_its_number_in_flight_and_runs_everything():
    import asyncio

    running, most, done = 0, 0, 0

    async def operation() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done += 1

    measured = await run([operation] * 9, in_flight=4)
    assert (most, done, len(measured.latencies)) == (4, 9, 9)

import pytest

from tests.bench.cold_start import ColdStart
from tests.bench.targets import Verdict, verdicts
from tests.bench.workloads import NEW, NEW_ALONE, ONE, REPEAT_ALONE
from tests.unit.bench.factories import make_row, make_side


def passed(found: list[Verdict]) -> dict[str, bool]:
    return {verdict.figure: verdict.passed for verdict in found}


@pytest.mark.parametrize(("ratio", "met"), [(0.69, False), (0.70, True), (1.2, True)])
def test_new_signals_reach_their_share_of_the_floor(ratio, met):
    found = verdicts([make_row(NEW.name, ratios=[ratio])], [], [])
    assert passed(found)["throughput, of the floor's"] is met


def test_one_fingerprint_must_be_three_times_the_floor_and_fast_in_itself():
    row = make_row(ONE.name, ratios=[3.1], ours=make_side(per_second=1199))
    assert passed(verdicts([row], [], [])) == {
        "throughput, of the floor's": True,
        "p99, of p50": True,
        "signals a second": False,
    }


def test_one_at_a_time_is_held_against_the_bare_calls_and_the_clock():
    row = make_row(NEW_ALONE.name, ours=make_side(p50=12.5, p99=70), floor=make_side(p50=8))
    assert passed(verdicts([row], [], [])) == {"p50, of the bare calls'": True, "p99, of p50": False, "p50, ms": False}


def test_many_processes_have_no_target_but_an_even_latency():
    row = make_row(NEW.name, processes=4, ratios=[0.1])
    assert passed(verdicts([row], [], [])) == {"p99, of p50": True}


@pytest.mark.parametrize(("full", "met"), [(10.9, True), (11.1, False)])
def test_repeats_cost_the_same_beside_ten_thousand_requests(full, met):
    rows = [make_row(REPEAT_ALONE.name), make_row(REPEAT_ALONE.name, requests=10_000, ours=make_side(p50=full))]
    assert passed(verdicts(rows, [], []))["p50 ms beside 10.0 with no RRs"] is met


@pytest.mark.parametrize(("full", "met"), [(15.0, True), (16.0, False)])
def test_new_signals_cost_what_the_list_adds_beside_ten_thousand_requests(full, met):
    crowded = make_row(NEW_ALONE.name, requests=10_000, ours=make_side(p50=full), floor=make_side(p50=14))
    found = verdicts([make_row(NEW_ALONE.name), crowded], [], [])
    assert passed(found)["p50 ms beside 10.0 with no RRs"] is met


def test_cold_start_is_judged_by_medians():
    ours = [ColdStart(0.9, 80, 90), ColdStart(9.0, 999, 999), ColdStart(0.8, 81, 90)]
    hello = [ColdStart(0.4, 30, 40)] * 3
    assert passed(verdicts([], ours, hello)) == {
        "to the first 201, s": True,
        "of a bare function's": False,
        "resident, MB": True,
    }


def test_what_was_not_measured_has_no_verdict():
    assert verdicts([], [], []) == []


def test_answers_of_503_are_pointed_out():
    assert passed(verdicts([make_row("any", ours=make_side(refused=0.01))], [], []))["share answered 503"] is False

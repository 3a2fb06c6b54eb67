"""A soak that could not fail would say nothing: each thing that may go wrong is told from what is fine."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.soak.judging import broken_promises, left_over, unwanted_lines, wrong_answers
from tests.soak.sampling import Sample
from tests.soak.traffic import Traffic, fingerprint
from tests.soak.trend import BOUNDS, trends

REQUESTS_PER_SAMPLE = 40
IDLE = Sample(seconds=0, requests=0, memory=80_000_000, connections=1, tasks=3, descriptors=12)


def samples(*, leak: str = "", per_request: float = 0.0, number: int = 300, warm_up: int = 0) -> list[Sample]:
    """Noisy ones, in which `leak` grows."""
    noise = Random(1)
    taken = []
    for index in range(number):
        requests = index * REQUESTS_PER_SAMPLE
        values = {
            "memory": 80_000_000 + noise.randrange(500_000),
            "connections": 60 + noise.randrange(10),
            "tasks": 3 + noise.randrange(12),
            "descriptors": 70 + noise.randrange(10),
        }
        if leak:
            values[leak] += int(per_request * requests)
        if index < warm_up:
            values["memory"] -= (warm_up - index) * 500_000
        taken.append(Sample(seconds=2.0 * index, requests=requests, **values))
    return taken


def flat(taken: list[Sample]) -> dict[str, bool]:
    return {trend.name: trend.flat for trend in trends(taken)}


def test_noise_and_warm_up_are_no_growth():
    assert all(flat(samples(warm_up=100)).values())


def test_more_in_flight_on_a_busier_machine_is_no_growth():
    taken = samples()
    busier = [replace(each, tasks=each.tasks * (1 + index % 7 * index // 50)) for index, each in enumerate(taken)]

    assert all(flat(busier).values())


@pytest.mark.parametrize(("leak", "per_request"), [("memory", 1024), *((name, 0.005) for name in list(BOUNDS)[1:])])
def test_one_small_thing_kept_by_some_requests_is_growth(leak, per_request):
    found = flat(samples(leak=leak, per_request=per_request))

    assert [name for name, is_flat in found.items() if not is_flat] == [leak]


def test_too_short_a_soak_is_not_judged():
    with pytest.raises(ValueError, match="run for longer"):
        trends(samples(number=28))


def test_soak_without_an_answer_is_not_judged():
    with pytest.raises(ValueError, match="no request was answered"):
        trends([replace(each, requests=0) for each in samples()])


def rr(pod: str, *, count: int, phase: str = "Pending") -> dict[str, Any]:
    return {
        "spec": {"signalFingerprint": fingerprint(pod)},
        "status": {"overallPhase": phase, "deduplication": {"occurrenceCount": count}},
    }


@pytest.fixture
def traffic():
    """One alert was acknowledged twice and sent three times."""
    one = fingerprint("web")
    return Traffic(Random(1), sent=Counter({one: 3}), acknowledged=Counter({one: 2}))


@pytest.mark.parametrize("count", [2, 3])
def test_counts_between_acknowledged_and_sent_are_right(traffic, count):
    assert broken_promises([rr("web", count=count)], {}, traffic) == []


def test_ended_and_cleared_rrs_count_too(traffic):
    ended = [rr("web", count=1, phase="Completed")]
    assert broken_promises(ended, {fingerprint("web"): 1}, traffic) == []


def test_lost_invented_and_doubled_alerts_are_told(traffic):
    assert "and counted 1" in broken_promises([rr("web", count=1)], {}, traffic)[0]
    assert "and counted 9" in broken_promises([rr("web", count=9)], {}, traffic)[0]
    twice = [rr("web", count=1), rr("web", count=1)]
    assert broken_promises(twice, {}, traffic) == [f"{fingerprint('web')} has 2 active RRs"]


def test_answers_that_no_sender_may_get_are_told():
    assert wrong_answers({"repeat 202": 5, "new 503": 1, "bad 400": 3}) == []
    assert len(wrong_answers({"repeat 500": 1, "bad 200": 1, "new 0": 1, "group 429": 1})) == 4


def test_what_is_held_with_nothing_under_way_is_told():
    assert left_over(IDLE, replace(IDLE, descriptors=IDLE.descriptors + 50), connections=50) == []
    assert len(left_over(IDLE, replace(IDLE, tasks=4, descriptors=63), connections=50)) == 2


def test_trace_in_the_log_is_told():
    assert unwanted_lines("all is well\nTraceback (most recent call last):") == [
        "the function's log has: Traceback (most recent call last):"
    ]

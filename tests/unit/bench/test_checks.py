from typing import Any

import pytest

from tests.bench.checks import WrongWorkError, check_counts


def request_for(target: str, *, count: int | None = None, name: str = "rr-1") -> dict[str, Any]:
    status: dict[str, Any] = {} if count is None else {"deduplication": {"occurrenceCount": count}}
    return {"metadata": {"name": name}, "spec": {"targetResource": {"name": target}}, "status": status}


def test_rrs_that_count_what_was_sent_pass():
    check_counts([request_for("a"), request_for("b", count=3)], sent={"a": 1, "b": 3})


def test_what_the_bare_client_created_is_left_out():
    check_counts([request_for("a"), request_for("x", name="floor-1")], sent={"a": 1})


@pytest.mark.parametrize(
    ("rrs", "sent"),
    [
        pytest.param([], {"a": 1}, id="lost"),
        pytest.param([request_for("a"), request_for("a", name="rr-2")], {"a": 1}, id="twice"),
        pytest.param([request_for("a", count=2)], {"a": 3}, id="not counted"),
        pytest.param([request_for("a")], {}, id="never sent"),
    ],
)
def test_wrong_work_ends_the_benchmark(rrs, sent):
    with pytest.raises(WrongWorkError, match="a was acknowledged"):
        check_counts(rrs, sent=sent)


@pytest.mark.parametrize("count", [2, 3])
def test_what_was_refused_may_be_counted_or_not(count):
    check_counts([request_for("a", count=count)], sent={"a": 2}, refused={"a": 1})


@pytest.mark.parametrize("count", [1, 4])
def test_refusals_excuse_neither_a_lost_signal_nor_one_too_many(count):
    with pytest.raises(WrongWorkError, match="a was acknowledged 2 times"):
        check_counts([request_for("a", count=count)], sent={"a": 2}, refused={"a": 1})


def test_target_of_which_all_was_refused_may_have_no_rr():
    check_counts([], sent={}, refused={"a": 1})

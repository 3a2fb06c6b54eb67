"""The measurement that docs/scale.md stands on is one of this protocol, and the model agrees with it."""

from dataclasses import replace

import pytest

from tests.bench.scale.costs import Costs, read_calibration
from tests.bench.scale.model import Mix, calls_before_the_answer, checks

NEW = Mix(per_second=1.0, new=1.0, instances=1, stored=0.0, alerts=1.0)
REPEAT = replace(NEW, new=0.0)


def test_new_signal_makes_four_calls_and_a_repeat_one():
    assert (calls_before_the_answer(NEW), calls_before_the_answer(REPEAT)) == (4, 1)


@pytest.mark.parametrize(("load", "error"), [("new", 0.02), ("repeat", 0.1)])
def test_calls_that_were_counted_are_those_of_the_protocol(load: str, error: float):
    measured = read_calibration()
    (check,) = [check for check in checks(measured, Costs.of(measured)) if check.name == f"calls, {load}"]
    assert abs(check.error) < error


def test_model_is_within_its_documented_error_of_loads_it_was_not_made_from():
    measured = read_calibration()
    mixed = [check for check in checks(measured, Costs.of(measured)) if "mixed" in check.name]
    assert len(mixed) == 3  # calls, and CPU of both
    assert all(abs(check.error) < 0.3 for check in mixed), mixed

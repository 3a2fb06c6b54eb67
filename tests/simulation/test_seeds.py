"""A fixed set of seeds; `make simulate SEEDS=...` runs as many as asked."""

import pytest

from tests.simulation.world import run

FIXED = range(100)


@pytest.mark.parametrize("seed", FIXED)
def test_every_promise_holds(seed: int):
    outcome = run(seed)
    assert not outcome.violation, f"{outcome.trace}\n{outcome.violation}\nmake simulate SEED={seed}"


@pytest.mark.parametrize("seed", FIXED[:5])
def test_one_seed_is_one_run(seed: int):
    assert run(seed).trace.lines == run(seed).trace.lines

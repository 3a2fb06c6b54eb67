"""A fixed set of seeds; `make simulate SEEDS=...` runs as many as asked."""

import os
import subprocess
import sys

import pytest

from tests.simulation.cut import cut_down, replay_line
from tests.simulation.world import run

FIXED = range(200)


@pytest.mark.parametrize("start", FIXED[::10])
def test_every_promise_holds(start: int):
    for seed in range(start, start + 10):
        outcome = run(seed)
        if outcome.violation:
            least = cut_down(outcome)
            pytest.fail(f"{least.trace}\n{least.violation}\n{replay_line(least)}", pytrace=False)


def test_one_seed_is_one_run():
    for seed in FIXED[:10]:
        assert run(seed).trace.lines == run(seed).trace.lines


def test_one_seed_is_one_run_in_every_process():
    show = "from tests.simulation.world import run; print([run(seed).trace.digest for seed in range(4)])"
    digests = [
        subprocess.run(
            [sys.executable, "-c", show],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hashing in ("1", "2")
    ]
    assert digests[0] == digests[1] == f"{[run(seed).trace.digest for seed in range(4)]}\n"

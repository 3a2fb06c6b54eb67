"""A failing run is cut down to what it needs, and the line printed for it shows the same run again."""

from dataclasses import dataclass

import pytest
import typer

from tests.simulation.__main__ import main
from tests.simulation.cut import cut_down, replay_line, rerun
from tests.simulation.mutating import Mutation, applied
from tests.simulation.mutations import MUTATIONS
from tests.simulation.world import Outcome, run


def mutation(name: str) -> Mutation:
    return next(each for each in MUTATIONS if each.name == name)


@dataclass
class Failure:
    """A run that breaks a promise, and the same cut down."""

    whole: Outcome
    least: Outcome


@pytest.fixture(scope="module")
def failure() -> Failure:
    broken = mutation("PATCH without resourceVersion")
    with applied(broken):
        whole = run(broken.caught_by)
        return Failure(whole, cut_down(whole))


def test_what_is_left_breaks_the_same_promise(failure: Failure):
    assert failure.whole.promise == failure.least.promise == "none lost"


def test_little_is_left_and_none_of_it_can_be_spared(failure: Failure):
    kept = list(failure.least.trace.used)
    assert len(kept) < len(failure.whole.trace.used)
    assert len(failure.least.trace.lines) < len(failure.whole.trace.lines)
    with applied(mutation("PATCH without resourceVersion")):
        for spared in kept:
            outcome = rerun(failure.least.scenario.seed, [key for key in kept if key != spared])
            assert outcome.promise != failure.least.promise


def test_line_that_is_printed_replays_the_run(failure: Failure):
    command, only = replay_line(failure.least).split(" ONLY=")
    assert command == f"make simulate SEED={failure.least.scenario.seed}"
    with applied(mutation("PATCH without resourceVersion")):
        again = rerun(failure.least.scenario.seed, only.split(","))
    assert again.trace.lines == failure.least.trace.lines


def test_failing_seed_is_shown_with_its_trace_and_the_line_to_replay_it(capsys: pytest.CaptureFixture[str]):
    broken = mutation("207 on partial failure")
    with applied(broken), pytest.raises(typer.Exit) as ended:
        main(seed=broken.caught_by)
    assert ended.value.exit_code == 1
    shown = capsys.readouterr().out
    assert "answers 207" in shown
    assert shown.rstrip().splitlines()[-1].startswith(f"make simulate SEED={broken.caught_by} ONLY=notify-")


def test_good_seed_is_shown_too(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(typer.Exit) as ended:
        main(seed=0)
    assert ended.value.exit_code == 0
    assert "every promise held" in capsys.readouterr().out

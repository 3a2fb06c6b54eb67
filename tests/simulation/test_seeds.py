"""A fixed set of seeds; `make simulate SEEDS=...` runs as many as asked."""

import os
import subprocess
import sys

import pytest

from core.local.shell import new_console
from tests.simulation.campaign import Summary, campaign, cores
from tests.simulation.cut import cut_down, replay_line
from tests.simulation.faults import KINDS
from tests.simulation.scenario import draw
from tests.simulation.world import run
from tests.simulation.writers import ForeignGateway

FIXED = range(200)
PEOPLE = {
    *("pause", "suspend", "kill", "pause as holder", "suspend as holder", "kill as holder", "API server down"),
    *("remediationrequests deleted by hand", "RR deleted near a burst", "RR deleted, kept by a finalizer"),
    *("API server's clock set", "pruned", "answer to a webhook lost", "name taken by another fingerprint"),
}
STATES = {
    *("CREATE remediationrequests AlreadyExists", "CREATE leases AlreadyExists", "Lease UPDATE", "DELETE leases 404"),
    *("PATCH remediationrequests/status Conflict", "PATCH remediationrequests/status 404"),
    *("LIST remediationrequests consistently 200", "several alerts in one count", "count in doubt, added once more"),
    *("breaker open", "breaker half-open", "breaker closed", "ended RR deleted in time"),
    *("own creation known by its attempt", "own count known by its mark"),
    *("all alerts of an RR are resolved", "an alert of a resolved RR fires again"),
    *("answer 201", "answer 202", "answer 503", "ended RR that still holds", "ended RR at work again"),
}


@pytest.fixture(scope="module")
def summary() -> Summary:
    """What all seeds of the set met, run on all cores."""
    return campaign(FIXED, jobs=cores(), console=new_console())


def test_every_promise_holds(summary: Summary):
    if summary.failed:
        least = cut_down(run(min(line.seed for line in summary.failed)))
        pytest.fail(f"{least.trace}\n{least.violation}\n{replay_line(least)}", pytrace=False)
    assert summary.seeds == len(FIXED)


def test_every_kind_of_fault_is_met(summary: Summary):
    assert {*KINDS, *PEOPLE} - set(summary.faults) == set()


def test_the_states_that_races_are_made_of_are_reached(summary: Summary):
    assert STATES - set(summary.states) == set()


def test_no_two_seeds_are_alike(summary: Summary):
    assert len(summary.interleavings) == len(FIXED)


def test_what_fails_in_a_sender_ends_the_run_and_names_the_seed(monkeypatch: pytest.MonkeyPatch):
    async def broken(_self: ForeignGateway, _key: str) -> None:
        raise ValueError

    monkeypatch.setattr(ForeignGateway, "receive", broken)
    seed = next(seed for seed in FIXED if any(event.kind == "foreign" for event in draw(seed).events))
    with pytest.raises(ValueError) as caught:
        run(seed)
    assert caught.value.__notes__ == [f"in seed {seed}"]


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

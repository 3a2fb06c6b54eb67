"""The simulation can fail: each mistake of the list is found, by a seed that is known to find it."""

from pathlib import Path

import pytest

from core.protocol.lock import DistributedLockManager
from core.protocol.remediation_request import is_terminal_phase
from core.protocol.remediation_request import is_terminal_phase as ended_phase
from tests.simulation.mutants import find
from tests.simulation.mutating import Edit, Mutation, Prepend, Replace, applied
from tests.simulation.mutations import MUTATIONS

_EXPIRY = DistributedLockManager.seconds_since_expiry
DOCUMENT = Path(__file__).parents[2] / "docs" / "promises.md"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_mistake_is_found(mutation: Mutation):
    found = find(mutation, [mutation.caught_by])
    assert found.violation, f"seed {mutation.caught_by} does not find it any more: make simulate-mutations"


def test_document_lists_them_all():
    text = DOCUMENT.read_text()
    missing = [each.name for each in MUTATIONS if f"| {each.name} | {each.caught_by + 1} |" not in text]
    assert missing == []


def test_mutation_is_undone():
    before = DistributedLockManager.expired.__code__
    with applied(broken(Replace(DistributedLockManager.expired, "A >= B", "A <= B"))):
        assert DistributedLockManager.expired.__code__ is not before
    assert DistributedLockManager.expired.__code__ is before


def test_mutation_works_where_its_function_is_known_by_another_name():
    with applied(broken(Prepend(is_terminal_phase, "return phase == 'Moon'"))):
        assert ended_phase("Moon")
        assert not ended_phase("Completed")
    assert ended_phase("Completed")


def test_mutation_may_use_what_the_expression_was_made_of():
    with applied(broken(Replace(is_terminal_phase, "A in B", "A.lower() in {each.lower() for each in B}"))):
        assert is_terminal_phase("completed")


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (Replace(DistributedLockManager.expired, "no_such_name", "0"), "expired has 0 times, not once: no_such_name"),
        (Replace(_EXPIRY, "lease", "0"), "seconds_since_expiry has 2 times, not once: lease"),
        (Replace(DistributedLockManager.expired, "A - A", "0"), "0 times"),
    ],
)
def test_mutation_whose_function_has_moved_on_says_so(edit: Edit, why: str):
    with pytest.raises(ValueError, match=why), applied(broken(edit)):
        pass


def broken(edit: Edit) -> Mutation:
    return Mutation("any", 0, (edit,))

"""The simulation can fail: each mistake of the list is found, by a seed that is known to find it."""

from pathlib import Path

import pytest

from core.protocol.lock import DistributedLockManager
from tests.simulation.mutants import find
from tests.simulation.mutating import Edit, Mutation, applied
from tests.simulation.mutations import MUTATIONS

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
    with applied(Mutation("any", 0, (Edit("core.protocol.lock", "age >= duration", "age <= duration"),))):
        assert DistributedLockManager.expired.__code__ is not before
    assert DistributedLockManager.expired.__code__ is before


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (Edit("core.protocol.lock", "no such line", ""), "0 times"),
        (Edit("core.protocol.lock", "self", ""), "times, not once"),
        (Edit("core.protocol.lock", "LOCK_DURATION_SECONDS = 30", "LOCK_DURATION_SECONDS = 31"), "in no function"),
    ],
)
def test_mutation_whose_line_has_moved_on_says_so(edit: Edit, why: str):
    with pytest.raises(ValueError, match=why), applied(Mutation("any", 0, (edit,))):
        pass

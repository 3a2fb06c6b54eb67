"""Which phases end a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.protocol.remediation_request import TERMINAL_PHASES, is_terminal_phase

ACTIVE = ["Pending", "Processing", "Analyzing", "AwaitingApproval", "Executing", "Verifying", "Blocked"]


@pytest.mark.parametrize("phase", ["Completed", "Failed", "TimedOut", "Skipped", "Cancelled"])
def test_ended_rr_lets_a_new_one_follow(phase):
    assert is_terminal_phase(phase)


@pytest.mark.parametrize("phase", ACTIVE)
def test_rr_at_work_takes_the_repeats(phase):
    assert not is_terminal_phase(phase)


@pytest.mark.parametrize("phase", ["", "completed", "COMPLETED", " Completed", "Completed ", "Done", "Succeeded"])
def test_unknown_phase_counts_as_active(phase):
    assert not is_terminal_phase(phase)


@given(st.text())
def test_only_the_five_words_are_terminal(phase):
    assert is_terminal_phase(phase) == (phase in TERMINAL_PHASES)
    assert len(TERMINAL_PHASES) == 5

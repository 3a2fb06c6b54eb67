"""Each check of the protocol is held by a race: with the check taken out, the race fails."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from core.protocol.lock import DistributedLockManager, LeaseSweeper
from core.protocol.placement import Placement, _Search, _seconds_apart, _surely_refused, _view
from core.protocol.pruning import _ended_for, _unneeded
from core.protocol.recorder import Recorder
from core.protocol.remediation_request import _holds, _only_implied, ended_at, holds_its_problem
from core.protocol.status import StatusUpdater, Write, _state_after, changes_by, firing_after
from tests.simulation.mutating import Edit, Mutation, Prepend, Replace, applied
from tests.unit.protocol import test_holding as holding
from tests.unit.protocol import test_lost_locks as lost
from tests.unit.protocol import test_meeting as meeting
from tests.unit.protocol import test_races as races
from tests.unit.protocol import test_resolved as resolved
from tests.unit.protocol import test_sweeping as sweeping
from tests.unit.protocol import test_taken_names as names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.instances import World

    Race = Callable[[World], Awaitable[None]]

LATE = meeting.test_name_of_a_late_holder_is_kept_for_an_hour
_UPDATE = StatusUpdater._update
TAKE_OVER = DistributedLockManager.take_over
LEASE, DEADLINE = races.TestTheLease(), races.TestOneDeadline()
MOVING = races.TestStaleAndMovingViews()
SWEEP, PRUNE = sweeping.TestSweeping(), sweeping.TestPruning()
SIDE_BY_SIDE = resolved.TestSideBySide()
SET_BACK = meeting.TestClockSetBack()

MISTAKES: dict[str, tuple[Edit, Race]] = {
    "a late holder's name is not kept": (Prepend(TAKE_OVER, "new_name = True"), partial(LATE, seconds=31, same=True)),
    "a name is kept for ever": (
        Replace(_Search._judge_lock, "rr is not None or long_ago", "rr is not None"),
        partial(LATE, seconds=3631, same=False),
    ),
    "a done lock's name is used again": (
        Prepend(TAKE_OVER, "new_name = False"),
        partial(meeting.test_done_lock_is_taken_over_at_once_with_a_new_name, end="gone"),
    ),
    "a name that has had its RR is used again": (
        Replace(_Search._judge_lock, "rr is not None or long_ago", "long_ago"),
        meeting.test_name_that_has_had_its_rr_is_used_up_when_the_lock_has_run_out,
    ),
    "an ended RR frees the lock that its holder has": (
        Replace(_Search._judge_lock, "A is LockState.HELD and B", "rr is None and A is LockState.HELD and B"),
        meeting.test_ended_rr_frees_no_lock_that_its_holder_may_still_use,
    ),
    "the RR that a lock stands for is not read": (
        Replace(_Search._judge_lock, "rr and A and rr.holds", "False"),
        meeting.test_rr_of_a_holder_that_died_is_joined_without_waiting,
    ),
    "a lock that another gateway wrote over keeps its name": (
        Replace(_Search._meet_lock, "not met.ours", "False"),
        meeting.test_lock_that_another_gateway_wrote_over_stands_for_no_rr_of_ours,
    ),
    "a lock under which a CREATE was sent is deleted": (
        Replace(Placement.give_back, "sent or lock.inherited", "False"),
        DEADLINE.test_create_of_which_nobody_knows_what_became_leaves_its_name_for_the_next,
    ),
    "a refusal to read what has taken the name is believed of the CREATE": (
        Replace(_surely_refused, "A or error.attempts > 1 or error.name_taken", "A or error.attempts > 1"),
        DEADLINE.test_refusal_to_read_what_has_taken_the_name_tells_nothing_of_our_create,
    ),
    "a lock of an earlier holder's name is deleted": (
        Replace(Placement.give_back, "sent or lock.inherited", "sent"),
        meeting.test_lock_that_stays_another_holders_name_is_not_deleted_by_who_gives_up,
    ),
    "a view of any age is created upon": (
        Replace(_Search._look_again, "self._now() - A.seen_at > VIEW_FRESH_SECONDS", "False"),
        LEASE.test_stall_under_the_lease_makes_the_view_too_old_to_create_upon,
    ),
    "a suspended machine's view is created upon": (
        Replace(_Search._look_again, "_seconds_apart(A, B) > VIEW_FRESH_SECONDS", "False"),
        LEASE.test_machine_that_was_suspended_before_its_lease_looks_again,
    ),
    "a view that seems to be younger than its lock is created upon": (
        Replace(_seconds_apart, "abs(A)", "A"),
        LEASE.test_machine_that_was_suspended_while_an_api_servers_clock_was_set_back_looks_again,
    ),
    "a lock that has run out is created under": (
        Prepend(_Search._check_lock_lasts, "return"),
        LEASE.test_holder_whose_lease_has_run_out_before_its_create_does_not_send_it,
    ),
    "the newest ended RR is not read": (
        Replace(_Search._look_again, "A or not B.created_by_holder", "True"),
        MOVING.test_ended_head_that_is_at_work_again_is_joined,
    ),
    "the newest ended RR is read, and believed ended": (
        Replace(_Search._look_again, "current and A and current.holds", "False"),
        MOVING.test_ended_head_that_is_at_work_again_is_joined,
    ),
    "a taken name is tried again": (
        Prepend(_Search._rename, "return lock"),
        partial(MOVING.test_name_that_is_taken_by_what_is_over_costs_one_more_transition, of=""),
    ),
    "a Lease from the future is waited for": (
        Prepend(DistributedLockManager.from_the_future, "return False"),
        SET_BACK.test_lease_from_the_future_runs_out_in_its_own_time,
    ),
    "a holder gives up on a Lease that was stamped anew": (
        Replace(DistributedLockManager.mark, "range(2)", "range(1)"),
        SET_BACK.test_holder_whose_lease_was_stamped_anew_marks_it_done_all_the_same,
    ),
    "a PATCH's answer is believed unread": (
        Replace(StatusUpdater._patch, "not _same(A, B)", "False"),
        holding.test_count_that_is_stored_although_the_answer_does_not_show_it_is_found_by_a_look,
    ),
    "a count that comes when its RR is over is acknowledged": (
        Replace(_UPDATE, "Counted(patched, patched.holds, ...)", "Counted(patched, True)"),
        holding.test_hold_that_runs_out_while_the_count_is_on_its_way_opens_the_next_one,
    ),
    "a count whose answer was lost is acknowledged although its RR was over": (
        Replace(_UPDATE, "counted and seen.active", "counted"),
        holding.test_hold_that_runs_out_while_the_counts_answer_is_lost_opens_the_next_one,
    ),
    "a count on an RR that ended after it is made again": (
        Replace(_UPDATE, "counted and seen.active", "False"),
        holding.test_rr_that_ends_after_its_count_whose_answer_was_lost_has_taken_the_signal,
    ),
    "a late count is added again": (
        Replace(Recorder._record_round, "A.uid == late", "False"),
        holding.test_late_count_is_not_added_again_where_its_rr_is_made_to_hold_again,
    ),
    "memory alone says what there is to tell": (
        Replace(Recorder._to_be_told, "known and changes_by(...)", "known"),
        SIDE_BY_SIDE.test_alert_that_joined_elsewhere_is_resolved_here,
    ),
    "a count leaves untold which alerts fire": (
        Replace(changes_by, "counting and A and B", "False"),
        resolved.TestAllResolved().test_counts_nothing_and_touches_no_phase,
    ),
    "others' conditions are written over unread": (
        Prepend(Write.unread, "return False"),
        resolved.TestOthersWrite().test_their_conditions_are_read_again_and_not_remembered,
    ),
    "an alert that fires again leaves the RR resolved": (
        Replace(_state_after, "rr.signal_resolved and A", "False"),
        resolved.TestFiringAgain().test_takes_the_condition_back_with_its_count,
    ),
    "what nobody knows counts as nothing that fires": (
        Replace(_only_implied, "A is None and B", "A is None"),
        resolved.TestOthersWrite().test_list_that_they_drop_leaves_it_untold,
    ),
    "more alerts than are kept count as few": (
        Replace(firing_after, "len(A) <= MOST_FIRING", "True"),
        resolved.test_more_alerts_than_are_kept_leave_it_untold,
    ),
    "an RR that has ended is told": (
        Replace(StatusUpdater.tell, "current.active", "True"),
        resolved.test_cooldown_after_the_end_is_no_reason_to_tell,
    ),
    "an RR being deleted takes signals": (Prepend(_holds, "deleting = False"), holding.test_dying_rr_takes_no_signal),
    "the next execution's time holds nothing": (
        Prepend(holds_its_problem, "next_allowed = None"),
        partial(
            holding.test_ended_rr_takes_signals_until_the_next_execution_is_allowed,
            within="routingStatus",
        ),
    ),
    "an ended RR does not cool down": (
        Prepend(holds_its_problem, "cooldown = 0"),
        holding.test_ended_rr_takes_signals_while_it_cools_down_and_counts_make_it_no_younger,
    ),
    "a count starts the cooldown anew": (
        Replace(ended_at, '"f:overallPhase" in A', "False"),
        holding.test_ended_rr_takes_signals_while_it_cools_down_and_counts_make_it_no_younger,
    ),
    "a person's review holds nothing": (
        Prepend(holds_its_problem, "outcome = ''"),
        partial(holding.test_ended_rr_that_a_person_has_to_look_at_takes_signals, within=""),
    ),
    "the newest RR that holds is joined, whichever is at work": (
        Replace(_view, "A or B", "B"),
        partial(holding.test_oldest_rr_at_work_takes_the_signals_beside_a_newer_one_that_holds, ended=False),
    ),
    "an ended RR that holds is joined beside one at work": (
        Replace(_view, "A or B", "B or A"),
        partial(holding.test_oldest_rr_at_work_takes_the_signals_beside_a_newer_one_that_holds, ended=True),
    ),
    "another problem's RR under the name is joined": (
        Replace(_Search._belongs, "rr.fingerprint == A and B", "B"),
        names.test_another_problems_rr_at_work_under_the_name_is_not_joined,
    ),
    "another problem's RR that a lock seems to stand for is joined": (
        Replace(_Search._judge_lock, "rr and A and rr.holds", "rr and rr.holds"),
        names.test_another_problems_rr_at_work_that_a_lock_seems_to_stand_for_is_not_joined,
    ),
    "another problem's RR under the name of the newest one is joined": (
        Replace(_Search._look_again, "current and A and current.holds", "current and current.holds"),
        names.test_another_problems_rr_that_has_the_ended_heads_name_by_now_is_not_joined,
    ),
    "the newest RR of a consistent view is read all the same": (
        Replace(_Search._look_again, "A or not B.created_by_holder", "not B.created_by_holder"),
        names.test_consistent_view_needs_no_second_look_at_its_head,
    ),
    "a lock whose new name was not sent is kept": (
        Replace(_Search._create, "(await self._rename(lock), False)", "(await self._rename(lock), True)"),
        names.test_lock_with_a_name_that_was_never_sent_is_deleted_by_who_joins_instead,
    ),
    "a walk over taken names goes on": (
        Replace(_Search._create, "range(_MOST_NAMES)", "range(_MOST_NAMES + 1)"),
        names.test_walk_over_taken_names_ends_after_five,
    ),
    "another's lock is given back": (
        Replace(_Search._give_back_lost, "A and B == self._holder and C", "A and C"),
        lost.test_lock_of_another_is_left_alone_by_who_asked_in_vain,
    ),
    "a take-over whose answer was lost is left behind": (
        Replace(_Search._take_lock, "failed and isinstance(met, Place)", "False"),
        lost.test_take_over_that_arrives_late_is_given_back_by_who_has_joined_meanwhile,
    ),
    "a refusal after an answer that was lost is believed": (
        Replace(_surely_refused, "A or error.attempts > 1 or error.name_taken", "A or error.name_taken"),
        lost.test_refusal_after_an_answer_that_was_lost_leaves_the_name_for_the_next,
    ),
    "a done lock has the duration of a held one": (
        Replace(DistributedLockManager._write, "state is LockState.HELD", "True"),
        partial(lost.test_only_a_held_lock_holds_up_gateways_that_judge_by_its_duration, state="done", seconds=1),
    ),
    "clocks that differ by a little count as set back": (
        Replace(DistributedLockManager.from_the_future, "-_CLOCKS_DIFFER_SECONDS", "0"),
        partial(SET_BACK.test_clocks_of_api_servers_may_differ_by_five_seconds, seconds=5, stamped=False),
    ),
    "a lock has run out a second early": (
        Replace(DistributedLockManager.expired, "A >= 0", "A >= -1"),
        partial(meeting.test_another_gateways_lock_lasts_as_long_as_it_says_and_a_second, duration=30, over=False),
    ),
    "a lock's own duration is not heeded": (
        Replace(
            DistributedLockManager.seconds_since_expiry,
            "lease.duration_seconds or self._duration_seconds",
            "self._duration_seconds",
        ),
        partial(meeting.test_another_gateways_lock_lasts_as_long_as_it_says_and_a_second, duration=60, over=False),
    ),
    "a dead holder's Lease is pruned while it may wake": (
        Replace(_unneeded, "A > B + LATE_HOLDER_SECONDS + C", "A > B + C"),
        PRUNE.test_lease_of_a_dead_holder_goes_an_hour_after_nobody_may_wake_any_more,
    ),
    "an RR being deleted is pruned": (
        Replace(_ended_for, "A.holds or A.deleting", "A.holds"),
        PRUNE.test_dying_rr_is_not_deleted_again,
    ),
    "a done Lease is deleted at once": (
        Replace(LeaseSweeper.note, "self._clock.monotonic() + DONE_LEASE_SECONDS", "self._clock.monotonic()"),
        SWEEP.test_done_lease_stays_longer_than_any_view_that_is_created_upon,
    ),
    "others' Leases are pruned": (
        Replace(_unneeded, "not A.startswith(B) or not lock.ours", "False"),
        PRUNE.test_lease_of_another_gateway_or_program_stays,
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_race_finds_the_mistake(world: World, name: str):
    edit, race = MISTAKES[name]
    with applied(Mutation(name, 0, (edit,))), pytest.raises((AssertionError, ValueError, KeyError)):
        await race(world)

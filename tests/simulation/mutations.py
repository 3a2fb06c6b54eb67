"""Mistakes in the protocol, one line each: what the simulation must find.

A mutation that no seed catches is a hole in the simulation, not a comfort. The number is the first seed that
catches it; `make simulate-mutations` measures anew.
"""

from core.answers import answer, problem
from core.pipeline import EarlierDeliveries
from core.protocol.creator import CRDCreator
from core.protocol.lease import LeaseStore
from core.protocol.lock import DistributedLockManager, LeaseSweeper
from core.protocol.placement import Placement, _Search, _seconds_apart
from core.protocol.recorder import Recorder, RemediationRequestMemory, Rounds
from core.protocol.remediation_request import _holds, holds_its_problem, is_terminal_phase
from core.protocol.status import StatusUpdater, _state_after
from core.results import is_poison
from tests.simulation.mutating import Edit, Mutation, Prepend, Replace

_CREATE = CRDCreator.create_remediation_request
_UPDATE = StatusUpdater._update
_TAKE_OVER = DistributedLockManager.take_over
_RANDOM_NAMES = Prepend(_CREATE, "name = name[:-8] + attempt_id[:8]")
_NO_LEASE = Prepend(
    _Search._meet_lock, "return await self._locks.read_lock(self._fingerprint, deadline=self._deadline)"
)
_PRECONDITIONS = '{"uid": A, "resourceVersion": B}'
_SEEN = '{"resourceVersion": A, "uid": B}'


def _mistake(name: str, caught_by: int, *edits: Edit) -> Mutation:
    return Mutation(name, caught_by, edits)


MUTATIONS = (
    _mistake("no lease and random names", 0, _NO_LEASE, _RANDOM_NAMES),
    _mistake("no lease", 0, _NO_LEASE),
    _mistake("random names", 8, _RANDOM_NAMES),
    _mistake("names are never new", 1, Prepend(_TAKE_OVER, "new_name = False")),
    _mistake(
        "an ended RR frees the lock that its holder still has",
        1,
        Replace(_Search._judge_lock, "A is LockState.HELD and B", "rr is None and A is LockState.HELD and B"),
    ),
    _mistake("a lock's RR is not read", 8, Replace(_Search._judge_lock, "rr and A and rr.holds", "False")),
    _mistake(
        "done Leases are deleted at once",
        0,
        Replace(LeaseSweeper.note, "self._clock.monotonic() + DONE_LEASE_SECONDS", "self._clock.monotonic()"),
    ),
    _mistake("an RR being deleted takes signals", 32, Prepend(_holds, "deleting = False")),
    _mistake("an ended RR holds for no time", 19, Prepend(holds_its_problem, "next_allowed = None")),
    _mistake("PATCH without resourceVersion", 1, Replace(StatusUpdater._patch, '{"resourceVersion": A}', "{}")),
    _mistake("release without preconditions", 0, Replace(LeaseStore.delete, _PRECONDITIONS, "{}")),
    _mistake("take-over without resourceVersion", 0, Replace(LeaseStore.update, _SEEN, "{}")),
    _mistake(
        "expiry by the local clock",
        1,
        Replace(
            DistributedLockManager.seconds_since_expiry,
            "_age(lease)",
            "(self._store._clock.now() - lease.written_at).total_seconds()",
        ),
    ),
    _mistake("a dead holder's lease is never taken over", 1, Prepend(DistributedLockManager.expired, "return False")),
    _mistake("holder per pod", 1, Prepend(_Search._take_lock, "self._holder = repr(self._parts.clock)")),
    _mistake("attempt id per pod", 1, Replace(Placement.find_or_create, "self.new_id()", "repr(self.clock)")),
    _mistake("207 on partial failure", 0, Prepend(problem, "status = 207 if status == 503 and content else status")),
    _mistake(
        "202 when only some are stored",
        1,
        Replace(answer, "counts[Status.FAILED]", "counts[Status.FAILED] // len(results)"),
    ),
    _mistake(
        "success before the write",
        0,
        Replace(
            _UPDATE,
            "await self._patch(A, B, C)",
            # What it meets is nobody's: unread, it would fail whatever runs when it is collected.
            "__import__('asyncio').ensure_future(self._patch(A, B, C))"
            ".add_done_callback(lambda task: task.cancelled() or task.exception()) or A",
        ),
    ),
    _mistake("no join in one instance", 0, Prepend(Rounds._enqueue, "fingerprint = ticket")),
    _mistake("a taken name counts as created", 23, Replace(_CREATE, "A.attempt_id == B", "True")),
    _mistake(
        "an own RR whose answer was lost counts as another's",
        19,
        Replace(_CREATE, "A.attempt_id == B", "False"),
    ),
    _mistake(
        "a count whose answer was lost is added again",
        56,
        Replace(_UPDATE, "None if A else write(current)", "write(current)"),
    ),
    _mistake("a conflict is not judged again", 1, Replace(_UPDATE, "A is None or not A.holds", "A is None")),
    _mistake("Blocked counts as ended", 18, Prepend(is_terminal_phase, 'if phase == "Blocked": return True')),
    _mistake(
        "an unknown phase counts as ended", 15, Prepend(is_terminal_phase, 'if phase == "Rebalancing": return True')
    ),
    _mistake("the name's fingerprint is not checked", 23, Replace(_Search._belongs, "rr.fingerprint == A and B", "B")),
    _mistake(
        "an earlier delivery is used twice",
        24,
        Replace(EarlierDeliveries.take, "self._bodies.pop(A)", "self._bodies.get(A)"),
    ),
    _mistake(
        "no deadline for a request that waits for its round",
        1,
        Replace(Rounds.join, "asyncio.timeout(...)", "asyncio.timeout(None)"),
    ),
    _mistake(
        "an ended RR in a stale view is asked for ever", 69, Replace(_Search._look, "self._over and ...", "False")
    ),
    _mistake(
        "the status is replaced as a whole",
        4,
        Replace(StatusUpdater._patch, "wanted.status", '{**wanted.status, "message": None}'),
    ),
    _mistake(
        "a lease is taken over five seconds early",
        1,
        Replace(DistributedLockManager.seconds_since_expiry, "A - B - _ROUNDING_SECONDS", "A - B + 5"),
    ),
    _mistake("a failure that passes counts as poison", 0, Prepend(is_poison, "return True")),
    _mistake(
        "another problem's RR is counted on where the memory is wrong",
        5,
        Replace(RemediationRequestMemory.get, "A is None or B != C", "A is None"),
    ),
    _mistake(
        "the first signal of a round is not counted", 0, Replace(Recorder._record_round, "A - B.created", "A - 1")
    ),
    _mistake(
        "an alert that fires again leaves the RR resolved",
        6,
        Replace(_state_after, "rr.signal_resolved and A", "False"),
    ),
    _mistake("nobody is told that all is resolved", 3, Replace(_state_after, "rr.firing and not A", "False")),
    _mistake("a lock that seems older than its view proves nothing", 9367, Replace(_seconds_apart, "abs(A)", "A")),
    _mistake("the lock is never marked done", 0, Prepend(Placement.finish, "return")),
)

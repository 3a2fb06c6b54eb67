"""Mistakes in the protocol, one line each: what the simulation must find.

A mutation that no seed catches is a hole in the simulation, not a comfort. The number is the first seed that
catches it; `make simulate-mutations` measures anew.
"""

from core.answers import answer, problem
from core.credits import Credits
from core.failures import is_poison
from core.protocol.creator import CRDCreator
from core.protocol.lease import LeaseStore
from core.protocol.lock import DistributedLockManager, LockWait
from core.protocol.placement import Placement
from core.protocol.recorder import Recorder, RemediationRequestMemory
from core.protocol.remediation_request import is_terminal_phase
from core.protocol.rounds import Rounds
from core.protocol.status import StatusUpdater
from tests.simulation.mutating import Edit, Mutation, Prepend, Replace

_CREATE = CRDCreator.create_remediation_request
_UPDATE = StatusUpdater.update_deduplication_status
_RANDOM_NAMES = Prepend(_CREATE, "head_uid = attempt_id")
_NO_LEASE = Prepend(DistributedLockManager._claim, "return await self._store.read(name, deadline=deadline)")
_PRECONDITIONS = '{"uid": A, "resourceVersion": B}'
_SEEN = '{"resourceVersion": A, "uid": B}'


def _mistake(name: str, caught_by: int, *edits: Edit) -> Mutation:
    return Mutation(name, caught_by, edits)


MUTATIONS = (
    _mistake("no lease and random names", 0, _NO_LEASE, _RANDOM_NAMES),
    _mistake("no lease", 1, _NO_LEASE),
    _mistake("random names", 0, _RANDOM_NAMES),
    _mistake("one name for all generations", 0, Replace(Placement._create, 'A.uid if A else ""', '""')),
    _mistake("PATCH without resourceVersion", 0, Replace(StatusUpdater._patch, '{"resourceVersion": A}', "{}")),
    _mistake("release without preconditions", 15, Replace(LeaseStore.delete, _PRECONDITIONS, "{}")),
    _mistake("take-over without resourceVersion", 1, Replace(LeaseStore.take_over, _SEEN, "{}")),
    _mistake(
        "expiry by the local clock",
        1,
        Replace(DistributedLockManager.expired, "A.server_time", "self._store._clock.now()"),
    ),
    _mistake("a dead holder's lease is never taken over", 1, Prepend(DistributedLockManager.expired, "return False")),
    _mistake("holder per pod", 46, Prepend(LockWait.take, "holder = repr(self._clock)")),
    _mistake("attempt id per pod", 16, Replace(Placement.find_or_create, "self._new_id()", "repr(self)")),
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
            _UPDATE, "await self._patch(A, B, C)", "__import__('asyncio').ensure_future(self._patch(A, B, C)) and A"
        ),
    ),
    _mistake("no join in one instance", 0, Prepend(Rounds._enqueue, "fingerprint = ticket")),
    _mistake("a taken name counts as created", 0, Replace(CRDCreator._create_or_find, "A.attempt_id == B", "True")),
    _mistake(
        "an own request whose answer was lost counts as another's",
        1,
        Replace(CRDCreator._create_or_find, "A.attempt_id == B", "False"),
    ),
    _mistake("a count whose answer was lost is added again", 24, Replace(_UPDATE, "_same(...) or A", "A")),
    _mistake("a conflict is not judged again", 0, Replace(_UPDATE, "A is None or not A.active", "A is None")),
    _mistake("Blocked counts as ended", 1, Prepend(is_terminal_phase, 'if phase == "Blocked": return True')),
    _mistake(
        "an unknown phase counts as ended", 3, Prepend(is_terminal_phase, 'if phase == "Rebalancing": return True')
    ),
    _mistake("the name's fingerprint is not checked", 4, Replace(_CREATE, "A is None or B == C", "True")),
    _mistake("an ended head is not confirmed", 453, Replace(Placement._create, "A.head and B != C", "False")),
    _mistake("consistent reads from the cache", 35, Prepend(Placement._create, "self._consistent_reads = False")),
    _mistake("a credit is used twice", 4, Replace(Credits.take, "self._bodies.pop(A, B)", "self._bodies.get(A, B)")),
    _mistake(
        "no deadline for a request that waits for its round",
        9,
        Replace(Rounds.join, "asyncio.timeout(...)", "asyncio.timeout(None)"),
    ),
    _mistake(
        "an ended request in a stale view is asked for ever", 16, Replace(Placement._look, "over and ...", "False")
    ),
    _mistake(
        "the status is replaced as a whole",
        1,
        Replace(StatusUpdater._patch, '{"deduplication": A}', '{"deduplication": A, "message": None}'),
    ),
    _mistake(
        "a lease is taken over five seconds early",
        4,
        Replace(DistributedLockManager.expired, "A >= B + _ROUNDING_SECONDS", "A >= B - 5"),
    ),
    _mistake("a failure that passes counts as poison", 0, Prepend(is_poison, "return True")),
    _mistake(
        "another problem's request is counted on where the memory is wrong",
        10,
        Replace(RemediationRequestMemory.get, "A is None or B != C", "A is None"),
    ),
    _mistake(
        "the first signal of a round is not counted", 0, Replace(Recorder._record_round, "A - B.created", "A - 1")
    ),
    _mistake("the lease is kept", 0, Prepend(LockWait.release, "return")),
)

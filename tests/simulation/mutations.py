"""Mistakes in the protocol, one line each: what the simulation must find.

A mutation that no seed catches is a hole in the simulation, not a comfort. The number is the first seed that
catches it; `make simulate-mutations` measures anew.
"""

from tests.simulation.mutating import Edit, Mutation

_RANDOM_NAMES = Edit("core.protocol.creator", "head_uid=head_uid, salt=salt)", "head_uid=attempt_id, salt=salt)")
_NO_LEASE = Edit(
    "core.protocol.lock",
    "return await self._claim(name, holder=holder, deadline=deadline)",
    "return await self._store.read(name, deadline=deadline)",
)

MUTATIONS = (
    Mutation("no lease and random names", 0, (_NO_LEASE, _RANDOM_NAMES)),
    Mutation("no lease", 1, (_NO_LEASE,)),
    Mutation("random names", 0, (_RANDOM_NAMES,)),
    Mutation(
        "one name for all generations",
        0,
        (Edit("core.protocol.placement", 'head_uid = view.head.uid if view.head else ""', 'head_uid = ""'),),
    ),
    Mutation(
        "PATCH without resourceVersion",
        0,
        (
            Edit(
                "core.protocol.status", '"metadata": {"resourceVersion": current.resource_version},', '"metadata": {},'
            ),
        ),
    ),
    Mutation(
        "release without preconditions",
        15,
        (
            Edit(
                "core.protocol.lease",
                'preconditions={"uid": seen.uid, "resourceVersion": seen.resource_version},',
                "preconditions={},",
            ),
        ),
    ),
    Mutation(
        "take-over without resourceVersion",
        1,
        (Edit("core.protocol.lease", '{"resourceVersion": seen.resource_version, "uid": seen.uid}', "{}"),),
    ),
    Mutation(
        "expiry by the local clock",
        1,
        (
            Edit(
                "core.protocol.lock",
                "age = (lease.server_time - lease.written_at)",
                "age = (self._store._clock.now() - lease.written_at)",
            ),
        ),
    ),
    Mutation(
        "a dead holder's lease is never taken over",
        1,
        (Edit("core.protocol.lock", "if not self.expired(seen):", "if True:"),),
    ),
    Mutation(
        "holder per pod",
        46,
        (Edit("core.protocol.placement", "view, look, holder=attempt_id,", "view, look, holder=repr(self._clock),"),),
    ),
    Mutation(
        "attempt id per pod",
        16,
        (Edit("core.protocol.placement", "attempt_id = self._new_id()", "attempt_id = repr(self._clock)"),),
    ),
    Mutation(
        "207 on partial failure",
        0,
        (Edit("core.answers", "return problem(503, detail, retry", "return problem(207, detail, retry"),),
    ),
    Mutation(
        "202 when only some are stored",
        1,
        (
            Edit(
                "core.answers",
                "if failed := counts[Status.FAILED]:",
                "if (failed := counts[Status.FAILED]) == len(results):",
            ),
        ),
    ),
    Mutation(
        "success before the write",
        0,
        (
            Edit(
                "core.protocol.status",
                "patched = await self._patch(current, sent, deadline)",
                "patched = __import__('asyncio').ensure_future(self._patch(current, sent, deadline)) and current",
            ),
        ),
    ),
    Mutation(
        "no join in one instance",
        0,
        (
            Edit(
                "core.protocol.rounds", "self._enqueue(signals[0].fingerprint, ticket)", "self._enqueue(ticket, ticket)"
            ),
        ),
    ),
    Mutation(
        "a taken name counts as created",
        0,
        (Edit("core.protocol.creator", "created = stored.attempt_id == attempt_id", "created = True"),),
    ),
    Mutation(
        "an own request whose answer was lost counts as another's",
        1,
        (Edit("core.protocol.creator", "created = stored.attempt_id == attempt_id", "created = False"),),
    ),
    Mutation(
        "a count whose answer was lost is added again",
        24,
        (Edit("core.protocol.status", "if _same(sent, current) or (occurrences == 0", "if (occurrences == 0"),),
    ),
    Mutation(
        "a conflict is not judged again",
        0,
        (
            Edit(
                "core.protocol.status",
                "if current is None or not current.active:",
                "if current is None:",
            ),
        ),
    ),
    Mutation(
        "Blocked counts as ended",
        1,
        (
            Edit(
                "core.phase", "return phase in TERMINAL_PHASES", 'return phase in TERMINAL_PHASES or phase == "Blocked"'
            ),
        ),
    ),
    Mutation(
        "an unknown phase counts as ended",
        3,
        (
            Edit(
                "core.phase",
                "return phase in TERMINAL_PHASES",
                'return phase in TERMINAL_PHASES or phase == "Rebalancing"',
            ),
        ),
    ),
    Mutation(
        "the name's fingerprint is not checked",
        4,
        (
            Edit(
                "core.protocol.creator",
                "if found is None or found.request.fingerprint == signal.fingerprint:",
                "if True:",
            ),
        ),
    ),
    Mutation(
        "an ended head is not confirmed",
        453,
        (Edit("core.protocol.placement", "if view.head and head_uid != confirmed_uid:", "if False:"),),
    ),
    Mutation(
        "consistent reads from the cache",
        35,
        (Edit("core.protocol.placement", "if self._consistent_reads:", "if False:"),),
    ),
    Mutation(
        "a credit is used twice",
        4,
        (Edit("core.credits", "self._bodies.pop(body, (0.0, {}))", "self._bodies.get(body, (0.0, {}))"),),
    ),
    Mutation(
        "no deadline for a request that waits for its round",
        9,
        (Edit("core.protocol.rounds", "asyncio.timeout(deadline.remaining())", "asyncio.timeout(None)"),),
    ),
    Mutation(
        "an ended request in a stale view is asked for ever",
        16,
        (Edit("core.protocol.placement", "if over and view.active", "if False and view.active"),),
    ),
    Mutation(
        "the status is replaced as a whole",
        1,
        (
            Edit(
                "core.protocol.status",
                '"status": {"deduplication": deduplication},',
                '"status": {"deduplication": deduplication, "message": None},',
            ),
        ),
    ),
    Mutation(
        "a lease is taken over five seconds early",
        4,
        (Edit("core.protocol.lock", "age >= duration + _ROUNDING_SECONDS", "age >= duration - 5"),),
    ),
    Mutation(
        "a failure that passes counts as poison",
        0,
        (Edit("core.verdict", "poison = is_poison(error)", "poison = True"),),
    ),
    Mutation(
        "another problem's request is counted on where the memory is wrong",
        10,
        (
            Edit(
                "core.protocol.memory",
                "if request is None or request.fingerprint != fingerprint:",
                "if request is None:",
            ),
        ),
    ),
    Mutation(
        "the first signal of a round is not counted",
        0,
        (Edit("core.protocol.recorder", "extra = len(signals) - place.created", "extra = len(signals) - 1"),),
    ),
    Mutation(
        "the lease is kept",
        0,
        (
            Edit(
                "core.protocol.lock_wait",
                "await self._locks.release_lock(lease, deadline=self._grace(deadline))",
                "return",
            ),
        ),
    ),
)

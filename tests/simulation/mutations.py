"""Mistakes in the protocol, one line each: what the simulation must find.

A mutation that no seed catches is a hole in the simulation, not a comfort.
"""

from __future__ import annotations

import importlib
import inspect
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Edit:
    """One line of a module's function, and what stands there instead. `old` must be there exactly once."""

    module: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mistake; `caught_by` is a seed known to find it."""

    name: str
    edits: tuple[Edit, ...]
    caught_by: int = -1


_RANDOM_NAMES = Edit("core.creator", "head_uid=head_uid, salt=salt)", "head_uid=attempt_id, salt=salt)")
_NO_LEASE = Edit(
    "core.lock",
    "return await self._claim(name, holder=holder, deadline=deadline)",
    "return await self._store.read(name, deadline=deadline)",
)

MUTATIONS = (
    Mutation("no lease and random names", (_NO_LEASE, _RANDOM_NAMES)),
    Mutation("no lease", (_NO_LEASE,)),
    Mutation("random names", (_RANDOM_NAMES,)),
    Mutation(
        "one name for all generations",
        (Edit("core.placement", 'head_uid = view.head.uid if view.head else ""', 'head_uid = ""'),),
    ),
    Mutation(
        "PATCH without resourceVersion",
        (Edit("core.status", '"metadata": {"resourceVersion": current.resource_version},', '"metadata": {},'),),
    ),
    Mutation(
        "release without preconditions",
        (
            Edit(
                "core.lease",
                'preconditions={"uid": seen.uid, "resourceVersion": seen.resource_version},',
                "preconditions={},",
            ),
        ),
    ),
    Mutation(
        "take-over without resourceVersion",
        (Edit("core.lease", '{"resourceVersion": seen.resource_version, "uid": seen.uid}', "{}"),),
    ),
    Mutation(
        "expiry by the local clock",
        (
            Edit(
                "core.lock",
                "age = (lease.server_time - lease.written_at)",
                "age = (self._store._clock.now() - lease.written_at)",
            ),
        ),
    ),
    Mutation(
        "a dead holder's lease is never taken over", (Edit("core.lock", "if not self.expired(seen):", "if True:"),)
    ),
    Mutation(
        "holder per pod",
        (Edit("core.placement", "view, look, holder=attempt_id,", "view, look, holder=repr(self._clock),"),),
    ),
    Mutation(
        "attempt id per pod",
        (Edit("core.placement", "attempt_id = self._new_id()", "attempt_id = repr(self._clock)"),),
    ),
    Mutation(
        "207 on partial failure",
        (Edit("core.answers", "return problem(503, detail, retry", "return problem(207, detail, retry"),),
    ),
    Mutation(
        "202 when only some are stored",
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
        (
            Edit(
                "core.status",
                "return Counted(await self._patch(current, sent, deadline), stored=True)",
                "return __import__('asyncio').ensure_future(self._patch(current, sent, deadline)) and "
                "Counted(current, stored=True)",
            ),
        ),
    ),
    Mutation(
        "no join in one instance",
        (Edit("core.rounds", "self._enqueue(signals[0].fingerprint, ticket)", "self._enqueue(ticket, ticket)"),),
    ),
    Mutation(
        "a taken name counts as created",
        (Edit("core.creator", "created = stored.attempt_id == attempt_id", "created = True"),),
    ),
    Mutation(
        "an own request whose answer was lost counts as another's",
        (Edit("core.creator", "created = stored.attempt_id == attempt_id", "created = False"),),
    ),
    Mutation(
        "a count whose answer was lost is added again",
        (Edit("core.status", "if _same(sent, current) or (occurrences == 0", "if (occurrences == 0"),),
    ),
    Mutation(
        "a conflict is not judged again",
        (
            Edit(
                "core.status",
                "if current is None or not current.active:",
                "if current is None:",
            ),
        ),
    ),
    Mutation(
        "Blocked counts as ended",
        (
            Edit(
                "core.phase", "return phase in TERMINAL_PHASES", 'return phase in TERMINAL_PHASES or phase == "Blocked"'
            ),
        ),
    ),
    Mutation(
        "an unknown phase counts as ended",
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
        (
            Edit(
                "core.creator",
                "if found is None or found.request.fingerprint == signal.fingerprint:",
                "if True:",
            ),
        ),
    ),
    Mutation(
        "an ended head is not confirmed",
        (Edit("core.placement", "if view.head and head_uid != confirmed_uid:", "if False:"),),
    ),
    Mutation("consistent reads from the cache", (Edit("core.placement", "if self._consistent_reads:", "if False:"),)),
    Mutation(
        "a credit is used twice",
        (Edit("core.credits", "self._bodies.pop(body, (0.0, {}))", "self._bodies.get(body, (0.0, {}))"),),
    ),
    Mutation(
        "no deadline for a request that waits for its round",
        (Edit("core.rounds", "asyncio.timeout(deadline.remaining())", "asyncio.timeout(None)"),),
    ),
    Mutation(
        "an ended request in a stale view is asked for ever",
        (Edit("core.placement", "if over and view.active", "if False and view.active"),),
    ),
    Mutation(
        "the status is replaced as a whole",
        (
            Edit(
                "core.status",
                '"status": {"deduplication": deduplication},',
                '"status": {"deduplication": deduplication, "message": None},',
            ),
        ),
    ),
    Mutation(
        "a lease is taken over five seconds early",
        (Edit("core.lock", "age >= duration + _ROUNDING_SECONDS", "age >= duration - 5"),),
    ),
    Mutation(
        "a failure that passes counts as poison",
        (Edit("core.verdict", "poison = is_poison(error)", "poison = True"),),
    ),
    Mutation(
        "the first signal of a round is not counted",
        (Edit("core.recorder", "extra = len(signals) - place.created", "extra = len(signals) - 1"),),
    ),
    Mutation(
        "the lease is kept",
        (Edit("core.placement", "await self._locks.release_lock(lease, deadline=grace)", "return"),),
    ),
)


@contextmanager
def applied(mutation: Mutation) -> Iterator[None]:
    """Make the mistake, in all modules that already use the function too, and mend it again.

    Raises:
        ValueError: a line is not there (any more), is there twice, or is in no function.
    """
    with ExitStack() as stack:
        for edit in mutation.edits:
            stack.enter_context(_edited(edit))
        yield


@contextmanager
def _edited(edit: Edit) -> Iterator[None]:
    module = importlib.import_module(edit.module)
    source = inspect.getsource(module)
    if source.count(edit.old) != 1:
        raise ValueError(f"{edit.module} has {source.count(edit.old)} times, not once: {edit.old}")
    before, after = _codes(source, module), _codes(source.replace(edit.old, edit.new), module)
    changed = [(before[name], code) for name, code in after.items() if before[name][1] != code[1]]
    if not changed:
        raise ValueError(f"{edit.module}: this line is in no function: {edit.old}")
    kept = [(function, function.__code__) for (function, _), _ in changed]
    for (function, _), (_, code) in changed:
        function.__code__ = code
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code


def _codes(source: str, module: Any) -> dict[str, tuple[FunctionType, CodeType]]:
    """Return the module's functions and methods, each with its code as compiled from `source`."""
    found = {}
    waiting = [compile(source, module.__file__, "exec", dont_inherit=True)]
    while waiting:
        for code in waiting.pop().co_consts:
            if not isinstance(code, CodeType) or "<" in code.co_qualname:
                continue
            function = _resolved(module, code.co_qualname)
            if isinstance(function, FunctionType):
                found[code.co_qualname] = (function, code)
            else:
                waiting.append(code)
    return found


def _resolved(module: Any, qualname: str) -> Any:
    owner = module
    for name in qualname.split("."):
        owner = inspect.getattr_static(owner, name)
    if isinstance(owner, property):
        return owner.fget
    return owner.__func__ if isinstance(owner, staticmethod | classmethod) else owner

"""A lock per fingerprint, kept in a Lease, and the name of the RR that may be created under it (kubernaut:
DistributedLockManager). The steps named here are those of docs/protocol.md.

Guarantee: while every holder finishes within the lease duration, at most one holds the lock of a
fingerprint; a holder that died is replaced once its lease has run out.

Non-guarantee: no fencing by the lock itself. A holder that stalls past its lease and wakes up still believes it holds
the lock. Nothing may rely on the lock alone: whoever takes over from a holder whose work is unknown keeps the name,
and of two CREATEs of one name the API server refuses one.

Clock assumption: none about this machine. Expiry compares two readings of API server clocks, the Date
of the answer and the newest time the server put on the object, both in whole seconds, so one second is
added. Several API servers may differ by what their operator lets NTP drift; the record's own duration
is honoured, its acquireTime and renewTime, which a holder's clock wrote, are not read.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from core.common.resilience import Deadline
from core.common.text import rfc3339
from core.errors import SluiceError
from core.kube.errors import AlreadyExistsError, ConflictError, NotFoundError
from core.protocol.lease import STAMP_ANNOTATION, lease_name
from core.protocol.remediation_request import fenced_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.common.clock import Clock
    from core.protocol.lease import Lease, LeaseStore

LOCK_DURATION_SECONDS = 30
"""How long a lock is valid before another request may take it over (kubernaut: LockDurationSeconds)."""

RR_ANNOTATION = "gateway.kubernaut.ai/remediation-request"
"""The RR that a Lease stands for. Absent on a Lease as it was created: its uid is not known before."""

STATE_ANNOTATION = "gateway.kubernaut.ai/lock"
"""`held`, `done` or `abandoned`, a space, and the holder that wrote it. Where that is not the Lease's holder, another
gateway has written over the Lease: it stands for no RR."""

LATE_HOLDER_SECONDS = 3600
"""Until so long after a lock has run out its holder may still wake: the name is kept, so that it collides. Longer than
API servers' clocks differ or jump: a Lease that only looks old must not get a new name while its holder still works."""

_ROUNDING_SECONDS = 1
_CLOCKS_DIFFER_SECONDS = 5
"""A Lease written further ahead than this was written before the API server's clock was set back."""


class LockState(StrEnum):
    """What its holder last said of a lock."""

    HELD = "held"
    DONE = "done"
    """The RR that it stands for has been created. The Lease stays for a while and points to it."""
    ABANDONED = "abandoned"
    """The holder gave up and does not know whether its RR was created: anyone may go on under the same name."""


_STATES = {state.value: state for state in LockState}


class Lock(NamedTuple):
    """A lock as one of us has it, or as it was met.

    `inherited` tells that an earlier holder may have sent a CREATE under the same name.
    """

    lease: Lease
    fingerprint: str
    inherited: bool = False

    @property
    def ours(self) -> bool:
        """Whether a gateway of this protocol wrote it last; any other's stands for no RR."""
        return self._said is not None

    @property
    def state(self) -> LockState:
        """What its holder said; `held` where nothing is known."""
        return self._said or LockState.HELD

    @property
    def rr_name(self) -> str:
        """Name of the RR that it stands for."""
        return self.lease.annotations.get(RR_ANNOTATION) or fenced_name(self.fingerprint, lease_uid=self.lease.uid)

    @property
    def created_by_holder(self) -> bool:
        """Whether its first holder still has it: nobody else ever knew its name."""
        return RR_ANNOTATION not in self.lease.annotations

    @property
    def _said(self) -> LockState | None:
        state, _, holder = self.lease.annotations.get(STATE_ANNOTATION, "").partition(" ")
        return _STATES.get(state) if holder == self.lease.holder else None


class DistributedLockManager:
    """Takes and gives back locks. The holder is one request, not one pod: two requests in one instance
    exclude each other like two instances do."""

    def __init__(self, *, store: LeaseStore, duration_seconds: int = LOCK_DURATION_SECONDS) -> None:
        if duration_seconds < 1:
            message = f"lock duration is {duration_seconds} s; a Lease needs at least 1"
            raise ValueError(message)
        self._store = store
        self._duration_seconds = duration_seconds

    # kubernaut's two: a lock and nothing else

    async def acquire_lock(self, fingerprint: str, *, holder: str, deadline: Deadline) -> Lease | None:
        """Try once to take the lock, whatever has become of the RR it stands for.

        Returns:
            The Lease held, to be given to `release_lock`; None where another holds it: losing is not an error.

        Raises:
            KubernetesError: the API server failed. The lock may be held all the same; calling again with
                the same holder finds out.
        """
        lock = await self.create_lock(fingerprint, holder=holder, deadline=deadline)
        if lock is None and (met := await self.read_lock(fingerprint, deadline=deadline)):
            if met.lease.holder == holder and met.state is LockState.HELD:
                return met.lease
            if met.state is not LockState.HELD or self.expired(met.lease):
                lock = await self.take_over(
                    met, holder=holder, new_name=met.state is LockState.DONE or not met.ours, deadline=deadline
                )
        return lock.lease if lock else None

    async def release_lock(self, lease: Lease, *, deadline: Deadline) -> None:
        """Give the lock back: delete its Lease. One that is gone or another's by now is left alone: releasing twice
        is fine.

        Raises:
            KubernetesError: the API server failed; the Lease then runs out by itself.
        """
        try:
            await self._store.delete(lease, deadline=deadline)
        except (NotFoundError, ConflictError):
            return

    # The protocol's: a lock that stands for an RR

    async def create_lock(self, fingerprint: str, *, holder: str, deadline: Deadline) -> Lock | None:
        """Step 2: take a lock that nobody has ever had; None where there is one."""
        try:
            lease = await self._store.create(
                lease_name(fingerprint),
                holder=holder,
                duration_seconds=self._duration_seconds,
                annotations={STATE_ANNOTATION: f"{LockState.HELD} {holder}"},
                deadline=deadline,
            )
        except AlreadyExistsError:
            return None
        return Lock(lease, fingerprint)

    async def read_lock(self, fingerprint: str, *, deadline: Deadline) -> Lock | None:
        """Read the lock from etcd; None where there is none."""
        try:
            lease = await self._store.read(lease_name(fingerprint), deadline=deadline)
        except NotFoundError:
            return None
        lock = Lock(lease, fingerprint)
        return Lock(lease, fingerprint, inherited=not lock.created_by_holder)

    async def take_over(self, met: Lock, *, holder: str, new_name: bool, deadline: Deadline) -> Lock | None:
        """Step 3: write a new holder over a lock exactly as it was met; None where it has changed since.

        Args:
            met: the lock as it was read.
            holder: the new one.
            new_name: whether the name it stood for is used up. The new one comes of the version written over, which
                nobody else can write over.
            deadline: of the request.
        """
        seen = met.lease
        name = met.rr_name
        if new_name:
            name = fenced_name(met.fingerprint, lease_uid=seen.uid, overwritten=seen.resource_version)
        lease = await self._write(
            met, LockState.HELD, holder=holder, name=name, transitions=seen.transitions + 1, deadline=deadline
        )
        return Lock(lease, met.fingerprint, inherited=not new_name) if lease else None

    async def mark(self, lock: Lock, state: LockState, *, deadline: Deadline) -> Lock | None:
        """Steps 5 and 6: say what became of a lock we hold; None where it is another's by now.

        Raises:
            KubernetesError: the API server failed; the Lease then runs out by itself.
        """
        for _ in range(2):
            lease = await self._write(
                lock,
                state,
                holder=lock.lease.holder,
                name=lock.rr_name,
                transitions=lock.lease.transitions,
                deadline=deadline,
            )
            if lease:
                return Lock(lease, lock.fingerprint, inherited=lock.inherited)
            # Somebody may have stamped it anew (`stamp`), holder and name as they were.
            current = await self.read_lock(lock.fingerprint, deadline=deadline)
            if current is None or not _same(current, lock) or current.state is not LockState.HELD:
                return None
            lock = current
        return None

    async def stamp(self, met: Lock, *, deadline: Deadline) -> None:
        """Write a lock as it is, so that it counts from the API server's present time."""
        await self._write(
            met,
            met.state,
            holder=met.lease.holder,
            name=met.rr_name,
            transitions=met.lease.transitions,
            deadline=deadline,
            keep={**met.lease.annotations, STAMP_ANNOTATION: rfc3339(met.lease.server_time)},
        )

    def expired(self, lease: Lease) -> bool:
        """Tell whether `lease` has run out for certain, by the API server's clock."""
        return self.seconds_since_expiry(lease) >= 0

    def seconds_since_expiry(self, lease: Lease) -> float:
        """Return how long ago a lease has run out by the API server's clock; negative while it has not."""
        duration = lease.duration_seconds or self._duration_seconds
        return _age(lease) - duration - _ROUNDING_SECONDS

    def from_the_future(self, lease: Lease) -> bool:
        """Tell whether the API server's clock was set back since the lease was written: its age is unknown."""
        return _age(lease) < -_CLOCKS_DIFFER_SECONDS

    async def _write(
        self,
        met: Lock,
        state: LockState,
        *,
        holder: str,
        name: str,
        transitions: int,
        deadline: Deadline,
        keep: Mapping[str, str] | None = None,
    ) -> Lease | None:
        try:
            return await self._store.update(
                met.lease,
                holder=holder,
                # Done or abandoned, it holds nobody up: other gateways judge by the duration.
                duration_seconds=self._duration_seconds if state is LockState.HELD else 1,
                transitions=transitions,
                annotations=keep if keep is not None else {STATE_ANNOTATION: f"{state} {holder}", RR_ANNOTATION: name},
                deadline=deadline,
            )
        except (NotFoundError, ConflictError):
            return None


def _age(lease: Lease) -> float:
    return (lease.server_time - lease.written_at).total_seconds()


def _same(current: Lock, lock: Lock) -> bool:
    return (current.lease.uid, current.lease.holder, current.rr_name) == (
        lock.lease.uid,
        lock.lease.holder,
        lock.rr_name,
    )


WATCH_CACHE_LAG_SECONDS = 60.0
"""The most that an API server's watch cache may trail behind etcd: one that cannot keep up starts anew."""

DONE_LEASE_SECONDS = WATCH_CACHE_LAG_SECONDS + 5.0
"""How long a done Lease is kept: longer than the oldest view that may be created upon and the cache's lag."""

_BETWEEN_SWEEPS_SECONDS = 5.0
_SWEEP_CALL_SECONDS = 3.0


class LeaseSweeper:
    """Step 7: deletes the Leases that this instance has marked done, off the burst, when their time has come.

    A done Lease points to the newest RR of its fingerprint. It is deleted only when every view that may still be
    created upon shows that RR, or what has followed it: without a Lease, a view is all there is. Memory only: what an
    instance takes with it when it goes, a later problem takes over, or `prune` deletes (core.protocol.pruning).
    """

    def __init__(
        self, *, store: LeaseStore, locks: DistributedLockManager, clock: Clock, capacity: int = 50_000
    ) -> None:
        self._store = store
        self._locks = locks
        self._started = False
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._unmarked: OrderedDict[str, Lock] = OrderedDict()
        self._clock = clock
        self._capacity = capacity
        self._due: OrderedDict[str, tuple[float, Lease]] = OrderedDict()

    def note(self, done: Lease) -> None:
        """Remember a Lease that was just marked done."""
        self._due.pop(done.name, None)
        self._due[done.name] = (self._clock.monotonic() + DONE_LEASE_SECONDS, done)
        if len(self._due) > self._capacity:
            self._due.popitem(last=False)
        self._wake_later()

    def note_unmarked(self, lock: Lock) -> None:
        """Remember a lock whose RR is stored, and whose Lease could not be marked done."""
        self._unmarked[lock.lease.name] = lock
        if len(self._unmarked) > self._capacity:
            self._unmarked.popitem(last=False)
        self._wake_later()

    def start(self) -> None:
        """From now on sweep by itself, on the event loop that notes Leases, until `stop`."""
        self._started = True

    async def stop(self) -> None:
        """Sweep no more."""
        self._started = False
        if self._timer:
            self._timer.cancel()
        if self._running:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    def _wake_later(self) -> None:
        if not self._started or self._timer or not (self._due or self._unmarked):
            return
        seconds = _BETWEEN_SWEEPS_SECONDS
        if not self._unmarked:
            due, _ = next(iter(self._due.values()))
            seconds = max(seconds, due - self._clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._running = asyncio.create_task(self._sweep_and_wait())

    async def _sweep_and_wait(self) -> None:
        await self.sweep()
        self._wake_later()

    async def sweep(self) -> int:
        """Mark what could not be marked, then delete the Leases whose time has come, one after the other; return how
        many. A failure leaves the rest for the next time."""
        swept = 0
        with suppress(SluiceError):
            while self._unmarked:
                name, lock = next(iter(self._unmarked.items()))
                done = await self._locks.mark(lock, LockState.DONE, deadline=self._call())
                if done:
                    self.note(done.lease)
                if self._unmarked.get(name) is lock:
                    del self._unmarked[name]
            while self._due:
                name, (due, lease) = next(iter(self._due.items()))
                if due > self._clock.monotonic():
                    break
                with suppress(NotFoundError, ConflictError):  # it stands for another RR by now
                    await self._store.delete(lease, deadline=self._call())
                    swept += 1
                if self._due.get(name, (0.0, None))[1] is lease:
                    del self._due[name]
        return swept

    def _call(self) -> Deadline:
        return Deadline(clock=self._clock, seconds=_SWEEP_CALL_SECONDS)

"""A lock per fingerprint, kept in a Lease (kubernaut: DistributedLockManager).

Guarantee: while every holder finishes within the lease duration, at most one holds the lock of a
fingerprint; a holder that died is replaced once its lease has run out.

Non-guarantee: no fencing. A holder that stalls past its lease and wakes up still believes it holds the
lock. Nothing may rely on the lock alone: the fenced name of the RR is what makes two
requests impossible; the lock only keeps instances from doing the same work at once.

Clock assumption: none about this machine. Expiry compares two readings of API server clocks, the Date
of the answer and the newest time the server put on the object, both in whole seconds, so one second is
added. Several API servers may differ by what their operator lets NTP drift; the record's own duration
is honoured, its acquireTime and renewTime, which a holder's clock wrote, are not read.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from core.backoff import LOCK_WAIT_BACKOFF, Backoff, Random
from core.clock import Deadline
from core.errors import ContentionError, TransientError
from core.kube.errors import AlreadyExistsError, ConflictError, KubernetesError, NotFoundError
from core.protocol.lease import lease_name

if TYPE_CHECKING:
    from core.clock import Clock
    from core.protocol.deduplication import View
    from core.protocol.lease import Lease, LeaseStore

LOCK_DURATION_SECONDS = 30
"""How long a lock is valid before another request may take it over (kubernaut: LockDurationSeconds)."""

_ROUNDING_SECONDS = 1

RELEASE_GRACE_SECONDS = 1.0


class DistributedLockManager:
    """Takes and gives back locks. The holder is one request, not one pod: two requests in one instance
    exclude each other like two instances do."""

    def __init__(self, *, store: LeaseStore, duration_seconds: int = LOCK_DURATION_SECONDS) -> None:
        if duration_seconds < 1:
            message = f"lock duration is {duration_seconds} s; a Lease needs at least 1"
            raise ValueError(message)
        self._store = store
        self._duration_seconds = duration_seconds

    async def acquire_lock(self, fingerprint: str, *, holder: str, deadline: Deadline) -> Lease | None:
        """Try once to take the lock.

        Returns:
            The Lease held, to be given to `release_lock`; None where another holds it: losing is no error.

        Raises:
            KubernetesError: the API server failed. The lock may be held all the same; calling again with
                the same holder finds out.
        """
        name = lease_name(fingerprint)
        try:
            return await self._store.create(
                name, holder=holder, duration_seconds=self._duration_seconds, deadline=deadline
            )
        except AlreadyExistsError:
            return await self._claim(name, holder=holder, deadline=deadline)

    async def release_lock(self, lease: Lease, *, deadline: Deadline) -> None:
        """Give the lock back. A Lease that is gone or another's by now is left alone: releasing twice is fine.

        Raises:
            KubernetesError: the API server failed; the Lease then runs out by itself.
        """
        try:
            await self._store.delete(lease, deadline=deadline)
        except (NotFoundError, ConflictError):
            return

    async def abandon_lock(self, fingerprint: str, *, holder: str, deadline: Deadline) -> None:
        """Give back what `holder` may have got although the answer to its attempt was lost.

        Raises:
            KubernetesError: the API server failed; the Lease, if there is one, then runs out by itself.
        """
        try:
            seen = await self._store.read(lease_name(fingerprint), deadline=deadline)
        except NotFoundError:
            return
        if seen.holder == holder:
            await self.release_lock(seen, deadline=deadline)

    async def _claim(self, name: str, *, holder: str, deadline: Deadline) -> Lease | None:
        try:
            seen = await self._store.read(name, deadline=deadline)
            if seen.holder == holder:
                return seen
            if not self.expired(seen):
                return None
            return await self._store.take_over(
                seen, holder=holder, duration_seconds=self._duration_seconds, deadline=deadline
            )
        except (NotFoundError, ConflictError):
            return None  # released or taken between two calls: this one attempt is lost

    def expired(self, lease: Lease) -> bool:
        """Tell whether `lease` has run out for certain, by the API server's clock."""
        duration = lease.duration_seconds or self._duration_seconds
        age = (lease.server_time - lease.written_at).total_seconds()
        return age >= duration + _ROUNDING_SECONDS


class Look(Protocol):
    """Looks for the requests of one fingerprint."""

    async def __call__(self, *, consistent: bool = False) -> View:
        """Return what is in view: fast and perhaps stale, or consistent."""


class LockWait:
    """Tries for a lock again and again, where the manager makes one attempt, and gives back what was got."""

    def __init__(
        self, *, locks: DistributedLockManager, clock: Clock, random: Random, backoff: Backoff = LOCK_WAIT_BACKOFF
    ) -> None:
        self._locks = locks
        self._clock = clock
        self._random = random
        self._backoff = backoff

    async def take(
        self, fingerprint: str, view: View, look: Look, *, holder: str, deadline: Deadline
    ) -> tuple[Lease | None, View]:
        """Take the lock, or see that nobody needs it any more.

        Args:
            fingerprint: whose lock.
            view: without an active request: that is why the lock is wanted.
            look: for a newer view, after each wait.
            holder: one request, not one pod.
            deadline: of the request.

        Returns:
            The Lease held and the newest view; or None, and a view in which a request is active.

        Raises:
            ContentionError: another request held the lock all the time and nothing came of it.
            KubernetesError, TransientError: no attempt was answered, or one was refused.
        """
        failed: KubernetesError | None = None
        for tries in range(1, self._backoff.steps + 1):
            try:
                lease = await self._locks.acquire_lock(fingerprint, holder=holder, deadline=deadline)
            except KubernetesError as error:
                if not error.transient:
                    raise
                failed, lease = error, None  # it may be ours all the same: the next try finds out
            if lease is not None:
                return lease, view
            pause = self._backoff.delay(tries, random=self._random)
            if tries == self._backoff.steps or pause >= deadline.remaining():
                break
            await self._clock.sleep(pause)
            view = await look()
            if view.active:
                break
        if failed:
            await self._abandon(fingerprint, holder=holder, deadline=deadline)
        if view.active:
            return None, view
        raise failed or ContentionError(f"another request has worked on fingerprint {fingerprint} for too long")

    async def release(self, lease: Lease | None, *, deadline: Deadline) -> None:
        """Release a lock if there is one. A failure costs others a wait, so it is not passed on.

        Nobody waits for it any more once the deadline has passed, but the next delivery would wait for the
        Lease to run out: so it has a moment of its own at least.
        """
        if lease is not None:
            with suppress(KubernetesError, TransientError):
                await self._locks.release_lock(lease, deadline=self._grace(deadline))

    async def _abandon(self, fingerprint: str, *, holder: str, deadline: Deadline) -> None:
        with suppress(KubernetesError, TransientError):
            await self._locks.abandon_lock(fingerprint, holder=holder, deadline=self._grace(deadline))

    def _grace(self, deadline: Deadline) -> Deadline:
        return Deadline(clock=self._clock, seconds=max(deadline.remaining(), RELEASE_GRACE_SECONDS))

"""A lock per fingerprint, kept in a Lease (seed: DistributedLockManager).

Guarantee: while every holder finishes within the lease duration, at most one holds the lock of a
fingerprint; a holder that died is replaced once its lease has run out.

Non-guarantee: no fencing. A holder that stalls past its lease and wakes up still believes it holds the
lock. Nothing may rely on the lock alone: the fenced name of the request (core.protocol.naming) is what makes two
requests impossible; the lock only keeps instances from doing the same work at once.

Clock assumption: none about this machine. Expiry compares two readings of API server clocks, the Date
of the answer and the newest time the server put on the object, both in whole seconds, so one second is
added. Several API servers may differ by what their operator lets NTP drift; the record's own duration
is honoured, its acquireTime and renewTime, which a holder's clock wrote, are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.kube.errors import AlreadyExistsError, ConflictError, NotFoundError
from core.protocol.naming import lease_name

if TYPE_CHECKING:
    from core.clock import Deadline
    from core.protocol.lease import Lease, LeaseStore

LOCK_DURATION_SECONDS = 30
"""How long a lock is valid before another request may take it over (seed: LockDurationSeconds)."""

_ROUNDING_SECONDS = 1


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

"""Waits for the lock of a fingerprint, and looks meanwhile whether the lock is still wanted."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from core.backoff import LOCK_WAIT_BACKOFF, Backoff, Random
from core.clock import Deadline
from core.errors import ContentionError, TransientError
from core.kube.errors import KubernetesError

if TYPE_CHECKING:
    from core.clock import Clock
    from core.protocol.deduplication import View
    from core.protocol.lease import Lease
    from core.protocol.lock import DistributedLockManager

RELEASE_GRACE_SECONDS = 1.0


class Look(Protocol):
    """Looks for the requests of one fingerprint."""

    async def __call__(self, *, consistent: bool = False) -> View:
        """Return what is in view: fast and perhaps stale, or consistent."""


class LockWait:
    """Tries for a lock again and again (core.protocol.lock makes one attempt), and gives back what was got."""

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

"""Finds the active request of a fingerprint, or creates the next one: steps 1 to 3 of the protocol."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from core.backoff import LOCK_WAIT_BACKOFF, Backoff, Random
from core.clock import Deadline
from core.deduplication import View
from core.errors import ContentionError, TransientError
from core.kube.errors import KubernetesError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.clock import Clock
    from core.creator import CRDCreator
    from core.deduplication import PhaseBasedDeduplicationChecker
    from core.lease import Lease
    from core.lock import DistributedLockManager
    from core.models.remediation_request import RemediationRequest
    from core.models.signal import NormalizedSignal

VIEW_FRESH_SECONDS = 2.0
"""A view older than this is not created upon: a wait for the Lease or a pause lies in between."""

RELEASE_GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """The request a signal belongs to. `lease` is still held and for the caller to release."""

    request: RemediationRequest
    created: bool = False
    lease: Lease | None = None


class Look(Protocol):
    """Looks for the requests of one fingerprint."""

    async def __call__(self, *, consistent: bool = False) -> View:
        """Return what is in view: fast and perhaps stale, or consistent."""


class Placement:
    """Decides where a signal goes. Safe without its lock, see core.naming and core.lock."""

    def __init__(
        self,
        *,
        checker: PhaseBasedDeduplicationChecker,
        locks: DistributedLockManager,
        creator: CRDCreator,
        clock: Clock,
        random: Random,
        new_id: Callable[[], str],
        consistent_reads: bool,
        lock_wait: Backoff = LOCK_WAIT_BACKOFF,
    ) -> None:
        self._checker = checker
        self._locks = locks
        self._creator = creator
        self._clock = clock
        self._random = random
        self._new_id = new_id
        self._consistent_reads = consistent_reads
        self._lock_wait = lock_wait

    async def find_or_create(
        self, signal: NormalizedSignal, *, over: RemediationRequest | None = None, deadline: Deadline
    ) -> Place:
        """Return the active request, creating it where none is in view.

        Args:
            signal: whose request is wanted.
            over: a request just read as ended, or gone; a stale view may show it active for a long time.
            deadline: of the request.

        Raises:
            ContentionError: another request held the lock all the time and nothing came of it.
            CRDCreationError, KubernetesError, TransientError: as the parts raise them.
        """
        look = partial(self._look, signal.fingerprint, over, deadline=deadline)
        view = await look()
        if view.active:
            return Place(view.active)
        attempt_id = self._new_id()
        won = await self._wait_for_lock(signal.fingerprint, view, look, holder=attempt_id, deadline=deadline)
        if isinstance(won, Place):
            return won
        lease, view = won
        try:
            return await self._create(signal, view, look, lease=lease, attempt_id=attempt_id, deadline=deadline)
        except BaseException:
            await self.release(lease, deadline=deadline)
            raise

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

    async def _look(
        self, fingerprint: str, over: RemediationRequest | None, *, consistent: bool = False, deadline: Deadline
    ) -> View:
        view = await self._checker.look(fingerprint, consistent=consistent, deadline=deadline)
        if over and view.active and view.active.uid == over.uid and not consistent:
            return await self._checker.look(fingerprint, consistent=True, deadline=deadline)
        return view

    async def _wait_for_lock(
        self, fingerprint: str, view: View, look: Look, *, holder: str, deadline: Deadline
    ) -> Place | tuple[Lease, View]:
        failed: KubernetesError | None = None
        for tries in range(1, self._lock_wait.steps + 1):
            try:
                lease = await self._locks.acquire_lock(fingerprint, holder=holder, deadline=deadline)
            except KubernetesError as error:
                if not error.transient:
                    raise
                failed, lease = error, None  # it may be ours all the same: the next try finds out
            if lease is not None:
                return lease, view
            pause = self._lock_wait.delay(tries, random=self._random)
            if tries == self._lock_wait.steps or pause >= deadline.remaining():
                break
            await self._clock.sleep(pause)
            view = await look()
            if view.active:
                if failed:
                    await self._abandon(fingerprint, holder=holder, deadline=deadline)
                return Place(view.active)
        if failed:
            await self._abandon(fingerprint, holder=holder, deadline=deadline)
        raise failed or ContentionError(f"another request has worked on fingerprint {fingerprint} for too long")

    async def _create(
        self, signal: NormalizedSignal, view: View, look: Look, *, lease: Lease, attempt_id: str, deadline: Deadline
    ) -> Place:
        if self._consistent_reads:
            view = await look(consistent=True)
        confirmed_uid = ""
        while view.active is None:
            if self._stale(view):
                view = await look(consistent=self._consistent_reads)
                continue
            head_uid = view.head.uid if view.head else ""
            if view.head and head_uid != confirmed_uid:
                if not await self._still_terminal(view.head, deadline):
                    view = await look(consistent=True)
                    continue
                confirmed_uid = head_uid
                continue  # the GET may have taken long: judge the view's age again
            creation = await self._creator.create_remediation_request(
                signal, head_uid=head_uid, attempt_id=attempt_id, deadline=deadline
            )
            if creation is None:
                view = await look(consistent=True)
            elif creation.created or creation.request.active:
                return Place(creation.request, created=creation.created, lease=lease)
            else:
                view = View(None, creation.request, self._clock.monotonic())
                confirmed_uid = creation.request.uid
        return Place(view.active, lease=lease)

    def _stale(self, view: View) -> bool:
        return self._clock.monotonic() - view.seen_at > VIEW_FRESH_SECONDS

    async def _still_terminal(self, head: RemediationRequest, deadline: Deadline) -> bool:
        try:
            current = await self._checker.confirm(head, deadline=deadline)
        except NotFoundError:
            return False
        return current.uid == head.uid and not current.active

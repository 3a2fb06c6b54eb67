"""Finds the active request of a fingerprint, or creates the next one: steps 1 to 3 of the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from core.kube.errors import NotFoundError
from core.protocol.deduplication import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.clock import Clock, Deadline
    from core.models.signal import NormalizedSignal
    from core.protocol.creator import CRDCreator
    from core.protocol.deduplication import PhaseBasedDeduplicationChecker
    from core.protocol.lease import Lease
    from core.protocol.lock import LockWait, Look
    from core.protocol.remediation_request import RemediationRequest

VIEW_FRESH_SECONDS = 2.0
"""A view older than this is not created upon: a wait for the Lease or a pause lies in between."""


@dataclass(frozen=True, slots=True)
class Place:
    """The request a signal belongs to. `lease` is still held and for the caller to release."""

    request: RemediationRequest
    created: bool = False
    lease: Lease | None = None


class Placement:
    """Decides where a signal goes. Safe without its lock, see core.protocol.lock."""

    def __init__(
        self,
        *,
        checker: PhaseBasedDeduplicationChecker,
        lock: LockWait,
        creator: CRDCreator,
        clock: Clock,
        new_id: Callable[[], str],
        consistent_reads: bool,
    ) -> None:
        self._checker = checker
        self._lock = lock
        self._creator = creator
        self._clock = clock
        self._new_id = new_id
        self._consistent_reads = consistent_reads

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
        lease, view = await self._lock.take(signal.fingerprint, view, look, holder=attempt_id, deadline=deadline)
        if view.active:
            return Place(view.active)
        try:
            return await self._create(signal, view, look, lease=lease, attempt_id=attempt_id, deadline=deadline)
        except BaseException:
            await self._lock.release(lease, deadline=deadline)
            raise

    async def _look(
        self, fingerprint: str, over: RemediationRequest | None, *, consistent: bool = False, deadline: Deadline
    ) -> View:
        view = await self._checker.look(fingerprint, consistent=consistent, deadline=deadline)
        if over and view.active and view.active.uid == over.uid and not consistent:
            return await self._checker.look(fingerprint, consistent=True, deadline=deadline)
        return view

    async def _create(
        self,
        signal: NormalizedSignal,
        view: View,
        look: Look,
        *,
        lease: Lease | None,
        attempt_id: str,
        deadline: Deadline,
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

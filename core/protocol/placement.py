"""Finds the RR that holds a fingerprint's problem, or creates the next one: steps 1 to 5 of docs/protocol.md."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from core.common.resilience import Backoff, Deadline, Random
from core.common.trace_context import NO_TRACER
from core.errors import ContentionError, CRDCreationError, RetryError, TransientError
from core.kube.errors import KubernetesError, NotFoundError
from core.protocol.lock import LATE_HOLDER_SECONDS, LOCK_DURATION_SECONDS, LockState
from core.protocol.remediation_request import read_remediation_request, read_remediation_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from core.common.clock import Clock
    from core.common.trace_context import Tracer
    from core.kube.client import KubeClient
    from core.kube.resources import Resource
    from core.metrics import Metrics
    from core.protocol.creator import CRDCreator, Creation
    from core.protocol.lock import DistributedLockManager, LeaseSweeper, Lock
    from core.protocol.remediation_request import RemediationRequest
    from core.signals.signal import NormalizedSignal

LOCK_WAIT_BACKOFF = Backoff(steps=10, duration=0.100, factor=2.0, jitter=0.1, cap=1.0)
"""Between tries for a Lease that another request holds."""

VIEW_FRESH_SECONDS = 2.0
"""A view older than this is not created upon: a wait for the lock or a pause lies in between."""

RELEASE_GRACE_SECONDS = 1.0
"""What a lock's release has at least, however late it is: the next delivery would wait for the Lease to run out."""

_ROUNDING_SECONDS = 1  # of two Dates in whole seconds

_MOST_NAMES = 5
"""Names that one attempt tries: each was found taken by an RR that is over. Eight hex digits hardly ever meet one."""


class View(NamedTuple):
    """What was seen of one fingerprint.

    `holding` is the RR that signals join: the oldest active one, else the newest ended one that still holds its
    problem. `newest_over` is the newest that holds nothing. `seen_at` is the monotonic second at which the question was
    sent: the answer may be older than it says, never younger. `server_time` is the Date of the answer, in whole
    seconds: a machine that was suspended since does not know of it by its own clock.
    """

    holding: RemediationRequest | None
    newest_over: RemediationRequest | None
    seen_at: float
    server_time: datetime


class PhaseBasedDeduplicationChecker:
    """Looks for RRs of a fingerprint by the field selector `spec.signalFingerprint`."""

    def __init__(
        self, *, client: KubeClient, resource: Resource, namespace: str, clock: Clock, cooldown: float = 0.0
    ) -> None:
        self._client = client
        self._cooldown = cooldown
        self._resource = resource
        self._namespace = namespace
        self._clock = clock

    async def should_deduplicate(
        self, fingerprint: str, *, deadline: Deadline
    ) -> tuple[bool, RemediationRequest | None]:
        """Tell whether an RR holds this problem now, and which (kubernaut: ShouldDeduplicate).

        Raises:
            KubernetesError: the API server failed.
        """
        view = await self.look(fingerprint, consistent=True, deadline=deadline)
        return view.holding is not None, view.holding

    async def look(self, fingerprint: str, *, consistent: bool = False, deadline: Deadline) -> View:
        """LIST the fingerprint's RRs.

        Args:
            fingerprint: 64-character SHA-256.
            consistent: False reads the watch cache (resourceVersion=0): about a millisecond, perhaps
                stale. True waits until the cache has caught up: up to 100 ms (KEP-2340).
            deadline: of the request.
        """
        seen_at = self._clock.monotonic()
        query = {"fieldSelector": f"spec.signalFingerprint={fingerprint}"}
        if not consistent:
            query["resourceVersion"] = "0"
        listing = await self._client.list(self._resource, namespace=self._namespace, query=query, deadline=deadline)
        rrs = read_remediation_requests(listing, fingerprint=fingerprint, cooldown=self._cooldown)
        return _view(rrs, seen_at, listing.server_time)

    async def read(self, name: str, *, deadline: Deadline) -> RemediationRequest | None:
        """GET an RR by name, from etcd (a quorum read); None where it is gone."""
        try:
            reply = await self._client.get(self._resource, namespace=self._namespace, name=name, deadline=deadline)
        except NotFoundError:
            return None
        return read_remediation_request(reply, name=name, cooldown=self._cooldown)


def _view(rrs: Iterable[RemediationRequest], seen_at: float, server_time: datetime) -> View:
    ordered = sorted(rrs, key=lambda rr: rr.age_order)
    active = next((rr for rr in ordered if rr.active), None)
    ended = next((rr for rr in reversed(ordered) if rr.holds), None)
    newest_over = next((rr for rr in reversed(ordered) if not rr.holds), None)
    return View(active or ended, newest_over, seen_at, server_time)


class Place(NamedTuple):
    """The RR that a signal belongs to. `lock` is still held and for the caller to finish."""

    rr: RemediationRequest
    created: bool = False
    lock: Lock | None = None


def attempt_id(getrandbits: Callable[[int], int]) -> str:
    """Return a new name for an attempt: a random UUID (RFC 9562, version 4) of so many random bits."""
    return str(UUID(int=getrandbits(128), version=4))


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Placement:
    """Decides where a signal goes, with the parts that it needs for that."""

    checker: PhaseBasedDeduplicationChecker
    locks: DistributedLockManager
    creator: CRDCreator
    sweeper: LeaseSweeper
    clock: Clock
    random: Random
    new_id: Callable[[], str]
    """Names each attempt (`attempt_id`)."""
    consistent_reads: bool
    metrics: Metrics
    tracer: Tracer = NO_TRACER
    wait: Backoff = LOCK_WAIT_BACKOFF

    async def find_or_create(
        self, signal: NormalizedSignal, *, over: RemediationRequest | None = None, deadline: Deadline
    ) -> Place:
        """Return the RR that holds this problem, creating it where there is none.

        Args:
            signal: whose RR is wanted.
            over: an RR just read as ended, or gone; a stale view may show it active for a long time.
            deadline: of the request.

        Raises:
            ContentionError: another request held the lock all the time and nothing came of it.
            CRDCreationError, KubernetesError, TransientError: as the parts raise them.
        """
        with self.tracer.span("placement") as span:
            place = await _Search(self, signal, over=over, holder=self.new_id(), deadline=deadline).run()
            span.describe({"sluice.created": place.created})
        return place

    async def finish(self, lock: Lock, *, deadline: Deadline) -> None:
        """Step 5: mark a lock done, now that the RR it stands for is stored. A failure costs others a wait, so it is
        not passed on."""
        try:
            done = await self.locks.mark(lock, LockState.DONE, deadline=self.grace(deadline))
        except (KubernetesError, TransientError):
            self.sweeper.note_unmarked(lock)
        else:
            if done:
                self.sweeper.note(done.lease)

    async def give_back(self, lock: Lock, *, sent: bool, deadline: Deadline) -> None:
        """Step 6: give up a lock under which nothing was created for certain, or nobody knows.

        Args:
            lock: as it is held.
            sent: whether a CREATE may have been sent. Its name must then stay, for the RR may be there, or come.
            deadline: of the request.
        """
        with suppress(KubernetesError, TransientError):
            if sent or lock.inherited:
                await self.locks.mark(lock, LockState.ABANDONED, deadline=self.grace(deadline))
            else:
                await self.locks.release_lock(lock.lease, deadline=self.grace(deadline))

    def grace(self, deadline: Deadline) -> Deadline:
        """Return what is left to a caller whose time may be over."""
        return Deadline(clock=self.clock, seconds=max(deadline.remaining(), RELEASE_GRACE_SECONDS))


class _Search:
    """One attempt of one signal. `holder` is its name as a holder of locks, and on the RR that it creates."""

    def __init__(
        self,
        parts: Placement,
        signal: NormalizedSignal,
        *,
        over: RemediationRequest | None,
        holder: str,
        deadline: Deadline,
    ) -> None:
        self._parts = parts
        self._signal = signal
        self._fingerprint = signal.fingerprint
        self._over = over
        self._holder = holder
        self._deadline = deadline
        self._locks = parts.locks
        self._now = parts.clock.monotonic

    async def run(self) -> Place:
        view = await self._look()
        if view.holding:
            return Place(view.holding)
        taken, view, since = await self._take_lock(view)
        if isinstance(taken, Place):
            return taken
        return await self._create(taken, view, since)

    async def _look(self, *, consistent: bool = False) -> View:
        """Step 1."""
        look = self._parts.checker.look
        view = await look(self._fingerprint, consistent=consistent, deadline=self._deadline)
        if self._over and view.holding and view.holding.uid == self._over.uid and not consistent:
            return await look(self._fingerprint, consistent=True, deadline=self._deadline)
        return view

    # Steps 2 and 3: the lock

    async def _take_lock(self, view: View) -> tuple[Lock | Place, View, float]:
        """Take the lock, or see that nobody needs it any more; with the newest view, and when the lock was asked
        for."""
        failed: KubernetesError | None = None
        wait, tries = self._parts.wait, 0
        while True:
            tries, since = tries + 1, self._now()
            try:
                met = await self._try_lock()
            except KubernetesError as error:
                if not error.transient:
                    raise
                failed, met = error, None  # the Lease may be ours although the answer was lost: the next try finds out
            if met is not None:
                if failed and isinstance(met, Place):
                    await self._give_back_lost()
                return met, view, since
            pause = wait.delay(tries, random=self._parts.random)
            if tries == wait.steps or pause >= self._deadline.remaining():
                break
            self._parts.metrics.lock_waits.inc()
            await self._parts.clock.sleep(pause)
            view = await self._look()
            if view.holding:
                break
        if failed:
            await self._give_back_lost()
        if view.holding:
            return Place(view.holding), view, since
        raise failed or ContentionError(f"another request has worked on fingerprint {self._fingerprint} for too long")

    async def _try_lock(self) -> Lock | Place | None:
        """Return the lock, or the RR that another has created under it; None: wait."""
        lock = await self._locks.create_lock(self._fingerprint, holder=self._holder, deadline=self._deadline)
        return lock or await self._meet_lock()

    async def _meet_lock(self) -> Lock | Place | None:
        met = await self._locks.read_lock(self._fingerprint, deadline=self._deadline)
        if met is None:
            return None  # given back between two calls
        if met.state is LockState.HELD:
            if met.lease.holder == self._holder:
                return met
            if self._locks.from_the_future(met.lease):
                await self._locks.stamp(met, deadline=self._deadline)
                return None
        if not met.ours:  # another gateway's Lease, which stands for no RR
            return await self._take_over(met, new_name=True) if self._locks.expired(met.lease) else None
        return await self._judge_lock(met)

    async def _judge_lock(self, met: Lock) -> Lock | Place | None:
        """Step 3: what there is to do where the lock is another's depends on the RR that it stands for."""
        rr = await self._parts.checker.read(met.rr_name, deadline=self._deadline)
        if rr and rr.fingerprint == self._fingerprint and rr.holds:
            return Place(rr)
        if met.state is LockState.DONE:
            return await self._take_over(met, new_name=True)
        # The holder may still create the RR, or create it again after a lost answer: it has the Lease's whole time.
        if met.state is LockState.HELD and not self._locks.expired(met.lease):
            return None
        # The same name as long as a late holder may wake: it collides. A name that has had its RR is used up.
        long_ago = self._locks.seconds_since_expiry(met.lease) >= LATE_HOLDER_SECONDS
        return await self._take_over(met, new_name=rr is not None or long_ago)

    async def _take_over(self, met: Lock, *, new_name: bool) -> Lock | None:
        taken = await self._locks.take_over(met, holder=self._holder, new_name=new_name, deadline=self._deadline)
        if taken:
            self._parts.metrics.lock_takeovers.inc()
        return taken

    async def _give_back_lost(self) -> None:
        """Give back what an attempt may have got although its answer was lost."""
        grace = self._parts.grace(self._deadline)
        with suppress(KubernetesError, TransientError):
            met = await self._locks.read_lock(self._fingerprint, deadline=grace)
            if met and met.lease.holder == self._holder and met.state is LockState.HELD:
                await self._parts.give_back(met, sent=False, deadline=self._deadline)

    # Step 4: the RR

    async def _create(self, lock: Lock, view: View, since: float) -> Place:
        """Create the RR that the lock stands for, or join what holds the problem by now."""
        sent = False
        try:
            if self._parts.consistent_reads:
                view = await self._look(consistent=True)
            for _ in range(_MOST_NAMES):
                holding = await self._look_again(view, lock)
                if holding:
                    await self._parts.give_back(lock, sent=sent, deadline=self._deadline)
                    return Place(holding)
                self._check_lock_lasts(since)
                sent = True
                creation = await self._parts.creator.create_remediation_request(
                    self._signal, name=lock.rr_name, attempt_id=self._holder, deadline=self._deadline
                )
                if creation and self._belongs(creation):
                    return Place(creation.rr, created=creation.created, lock=lock)
                # The name is taken by an RR that is over, gone or of another problem: this name is used up.
                lock, sent = await self._rename(lock), False
                view, since = await self._look(consistent=self._parts.consistent_reads), self._now()
        except BaseException as error:
            await self._parts.give_back(lock, sent=sent and not _surely_refused(error), deadline=self._deadline)
            raise
        await self._parts.give_back(lock, sent=sent, deadline=self._deadline)
        raise ContentionError(f"{_MOST_NAMES} names in turn are taken for fingerprint {self._fingerprint}")

    def _belongs(self, creation: Creation) -> bool:
        rr = creation.rr
        return creation.created or (rr.fingerprint == self._fingerprint and rr.holds)

    async def _look_again(self, view: View, lock: Lock) -> RemediationRequest | None:
        """Return what holds the problem, as far as a view young enough to create upon shows."""
        # What a lock that was met stood for has been read already. Else the newest ended RR is read: it may be at
        # work again, which a cache that trails does not show.
        known = self._parts.consistent_reads or not lock.created_by_holder
        # A machine that was suspended meanwhile does not know by its own clock. Where the API server's clock was set
        # back as well, the lock seems to be older than the view: that is no proof of age, but reason enough to look.
        if _seconds_apart(view, lock) > VIEW_FRESH_SECONDS:
            view = await self._look(consistent=self._parts.consistent_reads)
        while True:
            while self._now() - view.seen_at > VIEW_FRESH_SECONDS:
                view = await self._look(consistent=self._parts.consistent_reads)
            if view.holding:
                return view.holding
            if known or view.newest_over is None:
                return None
            current = await self._parts.checker.read(view.newest_over.name, deadline=self._deadline)
            if current and current.fingerprint == self._fingerprint and current.holds:
                return current
            known = True  # the GET may have taken long: judge the view's age again

    def _check_lock_lasts(self, since: float) -> None:
        if self._now() - since >= LOCK_DURATION_SECONDS:
            raise ContentionError(f"the lock of fingerprint {self._fingerprint} has run out before its RR was created")

    async def _rename(self, lock: Lock) -> Lock:
        renamed = await self._take_over(lock, new_name=True)
        if renamed is None:
            raise ContentionError(f"another request has taken the lock of fingerprint {self._fingerprint}")
        return renamed


def _seconds_apart(view: View, lock: Lock) -> float:
    """Return how far apart the answers to the view and to the lock are at least, by the API server's clock."""
    return abs((lock.lease.server_time - view.server_time).total_seconds()) - _ROUNDING_SECONDS


def _surely_refused(error: BaseException) -> bool:
    """Whether the CREATE was answered with a refusal the first time it was sent."""
    if not isinstance(error, CRDCreationError) or error.attempts > 1 or error.name_taken:
        return False
    return isinstance(error.underlying, RetryError) and not error.underlying.is_retryable

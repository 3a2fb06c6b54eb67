"""Deletes what is no longer needed, off the burst: Leases that are done, RRs that ended long ago.

A done Lease points to the newest RR of its fingerprint. It is deleted only when every view that may still be created
upon shows that RR, or what has followed it: without a Lease, a view is all there is (docs/protocol.md, step 7).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.common.clock import Deadline
from core.errors import SluiceError
from core.kube.errors import ConflictError, NotFoundError
from core.protocol.lease import lease_name
from core.protocol.lock import LATE_HOLDER_SECONDS, LOCK_DURATION_SECONDS, Lock, LockState
from core.protocol.remediation_request import RemediationRequest, ended_at

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime
    from typing import Any

    from core.common.clock import Clock
    from core.kube.client import JsonObject, KubeClient
    from core.kube.resources import Resource
    from core.protocol.lease import Lease, LeaseStore
    from core.protocol.lock import DistributedLockManager

WATCH_CACHE_LAG_SECONDS = 60.0
"""The most that an API server's watch cache may trail behind etcd: one that cannot keep up starts anew."""

PRUNED_LEASE_SECONDS = 3600.0
"""How long a done Lease is left to `prune`, which has the API server's clock only: that one may jump."""

DONE_LEASE_SECONDS = WATCH_CACHE_LAG_SECONDS + 5.0
"""How long a done Lease is kept: longer than the oldest view that may be created upon and the cache's lag."""

_BETWEEN_SWEEPS_SECONDS = 5.0
_PAGE = 500  # objects of one LIST, as kubectl takes them
_CALL_SECONDS = 3.0


class LeaseSweeper:
    """Deletes the Leases that this instance has marked done, when their time has come. Memory only: what an instance
    takes with it when it goes, a later problem takes over, or `prune` deletes."""

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
        return Deadline(clock=self._clock, seconds=_CALL_SECONDS)


@dataclass(slots=True)
class Pruned:
    """Names of what was deleted, and how much was not because somebody changed it at that moment."""

    remediation_requests: list[str] = field(default_factory=list)
    leases: list[str] = field(default_factory=list)
    changed_meanwhile: int = 0

    async def add(self, names: list[str], name: str, deletion: Coroutine[Any, Any, None], *, dry_run: bool) -> None:
        """Run a deletion, unless dry, and note its name; or that there was nothing to delete any more."""
        try:
            if dry_run:
                deletion.close()
            else:
                await deletion
            names.append(name)
        except (NotFoundError, ConflictError):
            self.changed_meanwhile += 1


async def prune(
    *,
    client: KubeClient,
    store: LeaseStore,
    resource: Resource,
    namespace: str,
    older_than_seconds: float,
    deadline: Deadline,
    leases_older_than_seconds: float = PRUNED_LEASE_SECONDS,
    cooldown: float = 0.0,
    dry_run: bool = False,
) -> Pruned:
    """Delete RRs that ended longer ago than an age and hold nothing, and Leases that nobody needs.

    Every DELETE carries uid and resourceVersion as they were seen: what has changed since stays. All ages are told by
    the API server's clock.

    Raises:
        KubernetesError: the API server failed; what was deleted before stays deleted.
    """
    pruned = Pruned()
    async for page in client.pages(resource, namespace=namespace, size=_PAGE, deadline=deadline):
        for item in page.items:
            if _ended_for(item, page.server_time, cooldown) < older_than_seconds:
                continue
            seen = item["metadata"]
            deletion = client.delete(
                resource,
                namespace=namespace,
                name=seen["name"],
                preconditions={"uid": seen["uid"], "resourceVersion": seen["resourceVersion"]},
                deadline=deadline,
            )
            await pruned.add(pruned.remediation_requests, seen["name"], deletion, dry_run=dry_run)
    async for leases in store.pages(size=_PAGE, deadline=deadline):
        for lease in leases:
            if _unneeded(lease, leases_older_than_seconds):
                deletion = store.delete(lease, deadline=deadline)
                await pruned.add(pruned.leases, lease.name, deletion, dry_run=dry_run)
    return pruned


def _ended_for(obj: JsonObject, now: datetime, cooldown: float = 0.0) -> float:
    """Return for how many seconds at least an RR has ended, where it holds nothing; else -1."""
    rr = RemediationRequest.from_object(obj, now=now, cooldown=cooldown)
    if rr.holds or rr.deleting:
        return -1.0
    since = ended_at(obj["metadata"])
    return (now - since).total_seconds() if since else -1.0


def _unneeded(lease: Lease, older_than_seconds: float) -> bool:
    lock = Lock(lease, "")
    if not lease.name.startswith(lease_name("")) or not lock.ours:
        return False
    age = (lease.server_time - lease.written_at).total_seconds()
    if lock.state is LockState.DONE:
        return age > max(DONE_LEASE_SECONDS, older_than_seconds)
    return age > LOCK_DURATION_SECONDS + LATE_HOLDER_SECONDS + older_than_seconds

"""Deletes RRs that ended long ago, and Leases that nobody needs any more: `sluice prune`, and a CronJob."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.kube.errors import ConflictError, NotFoundError
from core.protocol.lease import lease_name
from core.protocol.lock import DONE_LEASE_SECONDS, LATE_HOLDER_SECONDS, LOCK_DURATION_SECONDS, Lock, LockState
from core.protocol.remediation_request import RemediationRequest, ended_at

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime
    from typing import Any

    from core.common.resilience import Deadline
    from core.kube.client import JsonObject, KubeClient
    from core.kube.resources import Resource
    from core.protocol.lease import Lease, LeaseStore

PRUNED_LEASE_SECONDS = 3600.0
"""How long a done Lease is left to `prune`, which has the API server's clock only: that one may jump."""

_PAGE = 500  # objects of one LIST, as kubectl takes them


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

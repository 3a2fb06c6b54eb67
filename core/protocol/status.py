"""Counts signals on an RR's status (kubernaut: StatusUpdater). Touches `status.deduplication` only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.common.backoff import CONFLICT_BACKOFF, GATEWAY_RETRY_BACKOFF, Backoff, Random
from core.common.text import rfc3339
from core.kube.errors import ConflictError, KubernetesError, NotFoundError, NotStoredError
from core.protocol.remediation_request import DeduplicationStatus, RemediationRequest, read_remediation_request

if TYPE_CHECKING:
    from datetime import datetime

    from core.common.clock import Clock, Deadline
    from core.kube.client import KubeClient
    from core.kube.resources import Resource


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of an update. `stored` is False where the RR holds its problem no longer, or is gone (`rr` None);
    `late` is True where the count is on it all the same: its time ran out while the PATCH was on its way.
    `conflicts` says how often others wrote to the RR at the same time."""

    rr: RemediationRequest | None
    stored: bool
    late: bool = False
    conflicts: int = 0


@dataclass(slots=True, kw_only=True)
class Tries:
    """What one update has met. A conflict says that somebody else got on, a failure that nobody may: each has
    a policy of its own, and its own number of tries."""

    random: Random
    failures: int = 0
    conflicts: int = 0

    def wait_after(self, error: KubernetesError) -> float:
        """Return the seconds before the next try. Raises `error` where there is none.

        After the first conflict there is no wait: the object as remembered was old, and one fresh read settles
        it most often.
        """
        if error.transient:
            self.failures += 1
            seconds = self._wait(GATEWAY_RETRY_BACKOFF, self.failures, error)
        else:
            self.conflicts += 1
            seconds = self._wait(CONFLICT_BACKOFF, self.conflicts, error)
            if self.conflicts == 1:
                seconds = 0.0
        return max(seconds, error.retry_after or 0.0)

    def _wait(self, backoff: Backoff, met: int, error: KubernetesError) -> float:
        if met >= backoff.steps:
            raise error
        return backoff.delay(met, random=self.random)


class StatusUpdater:
    """Adds occurrences with one merge PATCH that carries the resourceVersion seen.

    Success therefore means that the phase which was judged is the phase that was current. An RR that has ended holds
    its problem for a time only, and no resourceVersion changes when that is over: there the answer's time decides.
    """

    def __init__(
        self, *, client: KubeClient, resource: Resource, clock: Clock, random: Random, cooldown: float = 0.0
    ) -> None:
        self._client = client
        self._cooldown = cooldown
        self._resource = resource
        self._clock = clock
        self._random = random

    async def update_deduplication_status(
        self, rr: RemediationRequest, *, occurrences: int, deadline: Deadline
    ) -> Counted:
        """Add `occurrences` to an RR that holds its problem (kubernaut: UpdateDeduplicationStatus).

        The RR as given is tried first; after a conflict it is read again and judged again. Conflicts and
        failures are limited each by a policy of their own.

        Raises:
            KubernetesError: the last conflict or failure when the tries are used up, or a refusal.
        """
        current: RemediationRequest | None = rr
        seen, sent = rr, None
        error: KubernetesError | None = None
        tries = Tries(random=self._random)
        while True:
            try:
                if error is not None:
                    current = await self._read(rr, deadline)
                if current is None or not current.holds:
                    counted = _same(sent, current)
                    # At work when it was counted on, it held; one that had ended before may have run out by then.
                    at_work = counted and seen.active
                    return Counted(current, at_work, late=counted and not at_work, conflicts=tries.conflicts)
                if _same(sent, current) or (occurrences == 0 and _written(current)):
                    return Counted(current, stored=True, conflicts=tries.conflicts)
                seen, sent = current, self._counted(current, occurrences)
                patched = await self._patch(current, sent, deadline)
                return Counted(patched, patched.holds, late=not patched.holds, conflicts=tries.conflicts)
            except (ConflictError, NotFoundError) as refused:
                error = refused
            except KubernetesError as failed:
                if not failed.transient:
                    raise
                error = failed
            await self._pause(tries.wait_after(error), error, deadline)

    def _counted(self, current: RemediationRequest, occurrences: int) -> DeduplicationStatus:
        known = current.deduplication
        return DeduplicationStatus(
            occurrence_count=current.occurrences + occurrences,
            first_seen_at=(known.first_seen_at if known else "") or current.creation_timestamp,
            last_seen_at=marked_time(self._clock.now(), random=self._random),
        )

    async def _patch(
        self, current: RemediationRequest, counted: DeduplicationStatus, deadline: Deadline
    ) -> RemediationRequest:
        deduplication = {
            "occurrenceCount": counted.occurrence_count,
            "firstSeenAt": counted.first_seen_at,
            "lastSeenAt": counted.last_seen_at,
        }
        body = {
            "metadata": {"resourceVersion": current.resource_version},
            "status": {"deduplication": deduplication},
        }
        reply = await self._client.patch_status(
            self._resource, body, namespace=current.namespace, name=current.name, deadline=deadline
        )
        patched = read_remediation_request(
            reply, name=current.name, fingerprint=current.fingerprint, cooldown=self._cooldown
        )
        if not _same(counted, patched):
            sentence = (
                f"the API server answered the count on {current.name} with success, and does not show it: does the "
                f"definition of {self._resource.full_name} have status.deduplication with occurrenceCount, firstSeenAt "
                "and lastSeenAt? What it does not have is dropped: see knative/cluster/crd.yaml"
            )
            raise NotStoredError(sentence, told=sentence)
        return patched

    async def _read(self, wanted: RemediationRequest, deadline: Deadline) -> RemediationRequest | None:
        try:
            reply = await self._client.get(
                self._resource, namespace=wanted.namespace, name=wanted.name, deadline=deadline
            )
        except NotFoundError:
            return None
        found = read_remediation_request(reply, name=wanted.name, cooldown=self._cooldown)
        same = found.uid == wanted.uid and found.fingerprint == wanted.fingerprint
        return found if same else None

    async def _pause(self, seconds: float, error: KubernetesError, deadline: Deadline) -> None:
        if seconds >= deadline.remaining():
            raise error
        if seconds:
            await self._clock.sleep(seconds)


def marked_time(now: datetime, *, random: Random) -> str:
    """Write `now` to the millisecond, followed by six random digits.

    They mark the writer: after a lost answer, finding exactly this time on the object proves that it was
    our write which was stored.
    """
    return f"{rfc3339(now.replace(microsecond=0))[:-1]}.{now.microsecond // 1000:03d}{int(random() * 1e6):06d}Z"


def _written(current: RemediationRequest) -> bool:
    """Whether a count stands on it, other than the one that the resource definition gives by default."""
    return current.deduplication is not None and current.deduplication.last_seen_at != ""


def _same(sent: DeduplicationStatus | None, current: RemediationRequest | None) -> bool:
    return sent is not None and current is not None and current.deduplication == sent

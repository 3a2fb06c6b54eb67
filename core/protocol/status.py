"""What the gateway writes to an RR's status: the count of its signals (kubernaut: StatusUpdater), and which fire.

An alert is known by its labels (core.signals.signal.alert_id). The one that opened the RR stands in an annotation; the
first count writes all that fire to `status.deduplication.firing`. Everything is written in one PATCH under the
resourceVersion that was seen: no reader ever sees a condition that contradicts the list. These are the steps Repeat and
Resolved of docs/protocol.md.

Where the list is missing although a count stands there (a resource definition without the field, an orchestrator that
writes the status anew), nobody knows which alerts fire, and the condition is not set: it could be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.common.resilience import Backoff, Random
from core.common.text import rfc3339
from core.kube.errors import ConflictError, KubernetesError, NotFoundError, NotStoredError
from core.protocol.remediation_request import (
    SIGNAL_RESOLVED,
    DeduplicationStatus,
    RemediationRequest,
    is_written,
    read_remediation_request,
)
from core.signals.names import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.kube.client import KubeClient
    from core.kube.resources import Resource
    from core.signals.signal import NormalizedSignal

    Writer = Callable[[RemediationRequest], "Write | None"]
    """Says what is to be written to an RR as it was read; None: nothing."""


GATEWAY_RETRY_BACKOFF = Backoff(steps=4, duration=0.010, factor=5.0, jitter=0.1)
"""Between status updates that failed for a moment (kubernaut: GatewayRetryBackoff; client-go's DefaultBackoff)."""

CONFLICT_BACKOFF = Backoff(steps=24, duration=0.005, factor=1.05, jitter=1.0)
"""Between status updates that met other writers, from the second conflict on. kubernaut waits as above: several
instances then starve each other, for the one that wrote last goes on at once (docs/performance.md)."""

MOST_FIRING = 200
"""Alerts of one RR whose state is kept. With more, nobody is told that all are resolved."""

_RANK = {severity: rank for rank, alike in enumerate(SEVERITIES, 1) for severity in alike}


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of an update. `stored` is False where the RR holds its problem no longer, or is gone (`rr` None);
    `late` is True where the count is on it all the same: its time ran out while the PATCH was on its way.
    `conflicts` says how often others wrote to the RR at the same time."""

    rr: RemediationRequest | None
    stored: bool
    late: bool = False
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class Write:
    """What one PATCH writes: which alerts fire, and the count where something is counted."""

    changes: Mapping[str, Any]
    count: DeduplicationStatus | None = None

    @property
    def status(self) -> Mapping[str, Any]:
        """The status, as far as it changes."""
        if self.count is None:
            return self.changes
        count = {
            "occurrenceCount": self.count.occurrence_count,
            "firstSeenAt": self.count.first_seen_at,
            "lastSeenAt": self.count.last_seen_at,
        }
        return {**self.changes, "deduplication": {**self.changes.get("deduplication", {}), **count}}

    def unread(self, current: RemediationRequest) -> bool:
        """Whether it writes all conditions, and those of others are not known."""
        return "conditions" in self.changes and current.conditions is None


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
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
        self,
        rr: RemediationRequest,
        *,
        occurrences: int,
        signals: Sequence[NormalizedSignal] = (),
        deadline: Deadline,
    ) -> Counted:
        """Repeat: add `occurrences` to an RR that holds its problem (kubernaut: UpdateDeduplicationStatus).

        The RR as given is tried first; after a conflict it is read again and judged again. Conflicts and
        failures are limited each by a policy of their own.

        Args:
            rr: as it was seen.
            occurrences: how many to add; with 0 a first count is written, where there is none.
            signals: whose alerts fire or are resolved from now on, in order; what that changes is written too.
            deadline: of the request.

        Raises:
            KubernetesError: the last conflict or failure when the tries are used up, or a refusal.
        """

        def write(current: RemediationRequest) -> Write | None:
            changes = changes_by(current, signals, now=self._clock.now(), counting=True) if signals else {}
            if occurrences == 0 and is_written(current.deduplication) and not changes:
                return None
            return Write(changes, self._counted(current, occurrences))

        return await self._update(rr, write, deadline)

    async def tell(self, rr: RemediationRequest, signals: Sequence[NormalizedSignal], *, deadline: Deadline) -> Counted:
        """Resolved: write to an active RR which of its alerts are resolved; nothing is counted.

        Raises:
            KubernetesError: as for a count.
        """

        def write(current: RemediationRequest) -> Write | None:
            changes = changes_by(current, signals, now=self._clock.now()) if current.active else {}
            return Write(changes) if changes else None

        return await self._update(rr, write, deadline)

    async def _update(self, rr: RemediationRequest, write: Writer, deadline: Deadline) -> Counted:
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
                    # If it was active when it was counted on, it held; one that had ended may have run out by then.
                    was_active = counted and seen.active
                    return Counted(current, was_active, late=counted and not was_active, conflicts=tries.conflicts)
                wanted = None if _same(sent, current) else write(current)
                if wanted and wanted.unread(current):  # its other conditions are not remembered
                    current = await self._read(rr, deadline)
                    wanted = write(current) if current and current.holds else None
                if current is None or wanted is None:
                    return Counted(current, current is not None and current.holds, conflicts=tries.conflicts)
                seen, sent = current, wanted.count
                patched = await self._patch(current, wanted, deadline)
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

    async def _patch(self, current: RemediationRequest, wanted: Write, deadline: Deadline) -> RemediationRequest:
        body = {
            "metadata": {"resourceVersion": current.resource_version},
            "status": wanted.status,
        }
        reply = await self._client.patch_status(
            self._resource, body, namespace=current.namespace, name=current.name, deadline=deadline
        )
        patched = read_remediation_request(
            reply, name=current.name, fingerprint=current.fingerprint, cooldown=self._cooldown
        )
        if wanted.count and not _same(wanted.count, patched):
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


def _same(sent: DeduplicationStatus | None, current: RemediationRequest | None) -> bool:
    return sent is not None and current is not None and current.deduplication == sent


def firing_after(firing: frozenset[str] | None, signals: Iterable[NormalizedSignal]) -> frozenset[str] | None:
    """Return which alerts fire after `signals`, in their order; None where nobody knows.

    A signal that nothing ever resolves, such as an Event, has no part in it.
    """
    if firing is None:
        return None
    after = set(firing)
    for signal in signals:
        if signal.resolved:
            after.discard(signal.alert)
        elif signal.alert:
            after.add(signal.alert)
    return frozenset(after) if len(after) <= MOST_FIRING else None


def changes_by(
    rr: RemediationRequest, signals: Sequence[NormalizedSignal], *, now: datetime, counting: bool = False
) -> dict[str, Any]:
    """Return what signals change of an RR's status, beside the count, as a merge patch; empty where nothing.

    Args:
        rr: as it was seen. Without others' conditions (`rr.conditions` None) only whether anything changes is right.
        signals: those that fire and those that are resolved, in the order in which they came.
        now: time of the condition's change.
        counting: a count is written with it. From then on the annotation alone tells nothing: others may have joined.
    """
    after = firing_after(rr.firing, signals)
    changed: dict[str, Any] = {}
    if after != rr.firing or (counting and after is not None and not rr.firing_stored):
        changed["firing"] = None if after is None else sorted(after)
    severity = highest(rr.severity, (signal.severity for signal in signals if not signal.resolved))
    if severity != rr.severity:
        changed["highestSeverity"] = severity
    status: dict[str, Any] = {"deduplication": changed} if changed else {}
    if (state := _state_after(rr, after, signals)) is not None:
        status["conditions"] = [*(rr.conditions or ()), _condition(state, after, now)]
    return status


def highest(severity: str, others: Iterable[str]) -> str:
    """Return the highest severity; of two that are alike, or unknown, the earlier one stays."""
    for other in others:
        if _RANK.get(other.lower(), 0) > _RANK.get(severity.lower(), 0):
            severity = other
    return severity


def _state_after(
    rr: RemediationRequest, after: frozenset[str] | None, signals: Sequence[NormalizedSignal]
) -> bool | None:
    """Return the condition's new state; None where it stays as it is."""
    if after is not None and not after:
        return True if rr.firing and not rr.signal_resolved else None
    fires = any(signal.alert and not signal.resolved for signal in signals)
    return False if rr.signal_resolved and fires else None


def _condition(resolved: bool, firing: frozenset[str] | None, now: datetime) -> dict[str, str]:  # noqa: FBT001
    fires = "alerts fire" if firing is None else "an alert fires" if len(firing) == 1 else f"{len(firing)} alerts fire"
    return {
        "type": SIGNAL_RESOLVED,
        "status": "True" if resolved else "False",
        "reason": "AlertsResolved" if resolved else "AlertsFiring",
        "message": "all alerts that joined are resolved" if resolved else f"{fires} again",
        "lastTransitionTime": rfc3339(now),
    }

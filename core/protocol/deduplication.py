"""Does an RR hold the problem of this fingerprint? (kubernaut: PhaseBasedDeduplicationChecker)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.kube.errors import NotFoundError
from core.protocol.remediation_request import read_remediation_request, read_remediation_requests

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from core.common.clock import Clock, Deadline
    from core.kube.client import KubeClient
    from core.kube.resources import Resource
    from core.protocol.remediation_request import RemediationRequest


@dataclass(frozen=True, slots=True)
class View:
    """What was seen of one fingerprint.

    `holding` is the RR that signals join: the oldest one at work, else the newest ended one that still holds its
    problem. `head` is the newest that holds nothing. `seen_at` is the monotonic second at which the question was
    sent: the answer may be older than it says, never younger. `server_time` is the Date of the answer, in whole
    seconds: a machine that was suspended since does not know of it by its own clock.
    """

    holding: RemediationRequest | None
    head: RemediationRequest | None
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
    at_work = next((rr for rr in ordered if rr.active), None)
    ended = next((rr for rr in reversed(ordered) if rr.holds), None)
    head = next((rr for rr in reversed(ordered) if not rr.holds), None)
    return View(at_work or ended, head, seen_at, server_time)

"""Is a request active for this fingerprint? (kubernaut: PhaseBasedDeduplicationChecker)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.protocol.remediation_request import read_remediation_request, read_remediation_requests

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.clock import Clock, Deadline
    from core.kube.client import KubeClient
    from core.kube.resources import Resource
    from core.protocol.remediation_request import RemediationRequest


@dataclass(frozen=True, slots=True)
class View:
    """What was seen of one fingerprint.

    `active` is the oldest active request, `head` the newest terminal one. `seen_at` is the monotonic
    second at which the question was sent: the answer may be older than it says, never younger.
    """

    active: RemediationRequest | None
    head: RemediationRequest | None
    seen_at: float


class PhaseBasedDeduplicationChecker:
    """Looks for requests of a fingerprint by the field selector `spec.signalFingerprint`."""

    def __init__(self, *, client: KubeClient, resource: Resource, namespace: str, clock: Clock) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._clock = clock

    async def should_deduplicate(
        self, fingerprint: str, *, deadline: Deadline
    ) -> tuple[bool, RemediationRequest | None]:
        """Tell whether an active request exists now, and which (kubernaut: ShouldDeduplicate).

        Raises:
            KubernetesError: the API server failed.
        """
        view = await self.look(fingerprint, consistent=True, deadline=deadline)
        return view.active is not None, view.active

    async def look(self, fingerprint: str, *, consistent: bool = False, deadline: Deadline) -> View:
        """LIST the fingerprint's requests.

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
        items = await self._client.list(self._resource, namespace=self._namespace, query=query, deadline=deadline)
        return _view(read_remediation_requests(items, fingerprint=fingerprint), seen_at)

    async def confirm(self, seen: RemediationRequest, *, deadline: Deadline) -> RemediationRequest:
        """GET a request by name, from etcd; NotFoundError where it is gone."""
        reply = await self._client.get(self._resource, namespace=self._namespace, name=seen.name, deadline=deadline)
        return read_remediation_request(reply.obj, name=seen.name)


def _view(requests: Iterable[RemediationRequest], seen_at: float) -> View:
    ordered = sorted(requests, key=lambda request: request.age_order)
    active = next((request for request in ordered if request.active), None)
    head = next((request for request in reversed(ordered) if not request.active), None)
    return View(active, head, seen_at)

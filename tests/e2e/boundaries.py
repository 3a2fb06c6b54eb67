"""Every call that the gateway makes to the API server, by name, and how to bring an instance to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.cluster import GROUP

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.cluster import Cluster
    from tests.support.faulty_app import FaultyApp

_MERGE = "application/merge-patch+json"
LEASE_SECONDS_LEFT = 1  # of the Lease that a dead gateway left behind


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """One call on one path. `state` is what the instance finds; `times` is how often the call is made before."""

    state: str
    call: str
    times: int = 0

    def __str__(self) -> str:
        again = " again" if self.times else ""
        return f"{self.state}: {self.call}{again}"


NEW, AFTER_END, DEAD_HOLDER, LOST_CREATE = "new", "after one that ended", "a dead one's Lease", "a CREATE's lost answer"
REPEAT, CONFLICT = "repeat", "repeat in conflict"
LIST, GET = "LIST remediationrequests", "GET remediationrequests"
CREATE, PATCH = "CREATE remediationrequests", "PATCH remediationrequests/status"
LOCK, DONE = "CREATE leases", "UPDATE leases"

# Those that leave a Lease behind come first: the last of them says how long all take.
BOUNDARIES = (
    Boundary(state=NEW, call=LOCK),
    Boundary(state=NEW, call=CREATE),
    Boundary(state=NEW, call=DONE),
    Boundary(state=AFTER_END, call=GET),
    Boundary(state=AFTER_END, call=DONE),
    Boundary(state=LOST_CREATE, call=CREATE, times=1),
    Boundary(state=LOST_CREATE, call=GET),
    Boundary(state=DEAD_HOLDER, call=DONE),
    Boundary(state=DEAD_HOLDER, call="GET leases"),
    Boundary(state=NEW, call="CREATE tokenreviews"),
    Boundary(state=NEW, call="CREATE subjectaccessreviews"),
    Boundary(state=NEW, call="GET pods"),
    Boundary(state=NEW, call=LIST),
    Boundary(state=REPEAT, call=LIST),
    Boundary(state=REPEAT, call=PATCH),
    Boundary(state=CONFLICT, call=GET),
    Boundary(state=CONFLICT, call=PATCH, times=1),
)


def fingerprint(pod: str) -> str:
    """Of an alert on a pod that is not there."""
    return hashlib.sha256(f"prod:Pod:{pod}".encode()).hexdigest()


class Stage:
    """Sets the API server up for a boundary, and reads what came of it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def prepare(self, pod: str, state: str, *, store: Callable[[str], Awaitable[None]]) -> None:
        """Bring about what an alert on `pod` finds; `store` has a healthy instance store one."""
        if state in (REPEAT, CONFLICT, AFTER_END):
            await store(pod)
        if state == AFTER_END:
            self.end(pod)
        if state == DEAD_HOLDER:
            self._leave_lease(pod)

    def disturb(self, pod: str, state: str, faults: FaultyApp) -> None:
        """Break the calls that lead to the boundary."""
        if state == CONFLICT:
            faults.on(PATCH, before=lambda: self._touch(pod))
        if state == LOST_CREATE:
            faults.on(CREATE, lose_answer=True)

    def rrs(self, pod: str) -> list[Any]:
        """The pod's RRs, all generations."""
        return [each for each in self._cluster.rrs() if each["spec"]["signalFingerprint"] == fingerprint(pod)]

    def active(self, pod: str) -> list[Any]:
        """The pod's RRs that did not end."""
        return [each for each in self.rrs(pod) if each.get("status", {}).get("overallPhase") != "Completed"]

    def end(self, pod: str) -> None:
        """End what is active for the pod."""
        for rr in self.active(pod):
            self._cluster.set_phase(rr["metadata"]["name"], "Completed")

    def _leave_lease(self, pod: str) -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self._cluster.namespace}/leases"
        spec = {"holderIdentity": "a dead gateway", "leaseDurationSeconds": LEASE_SECONDS_LEFT}
        self._cluster.call("POST", path, {"metadata": {"name": f"gw-lock-{fingerprint(pod)[:16]}"}, "spec": spec})

    async def _touch(self, pod: str) -> None:
        """Write to the active RR, so that what others have seen of it is old."""
        (request,) = self.active(pod)
        path = f"/apis/{GROUP}/v1alpha1/namespaces/{self._cluster.namespace}/remediationrequests"
        labels = {"metadata": {"labels": {"touched": "yes"}}}
        self._cluster.call("PATCH", f"{path}/{request['metadata']['name']}", labels, content_type=_MERGE)


def counted(requests: list[Any]) -> int:
    """Occurrences on all of them."""
    return sum(each.get("status", {}).get("deduplication", {}).get("occurrenceCount", 1) for each in requests)

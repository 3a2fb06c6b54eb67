"""The namespace that is measured on: filled to a size, checked and emptied again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.bench.checks import check_counts
from tests.bench.floor import FILLER, MANAGED_BY
from tests.support.cluster import GROUP, Cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.apiserver import KubeApiserver
    from tests.bench.floors import Floors

_AT_ONCE = 16
_SECONDS = 120.0  # for one answer about all RRs
_MEASURED = f"labelSelector={MANAGED_BY}!={FILLER}"


class Namespace:
    """A namespace with a number of RRs that no workload is about."""

    def __init__(self, server: KubeApiserver) -> None:
        self.cluster = Cluster(server)
        self._fillers = 0

    def fill(self, floors: Floors, rrs: int) -> None:
        """Create RRs until there are so many."""
        fillers = [("create", f"filler-{index}") for index in range(self._fillers, rrs)]
        if fillers:
            floors.run(fillers, in_flight=_AT_ONCE)
            self._fillers = rrs

    def one(self) -> Any:
        """Return the one RR that something other than filling created."""
        (request,) = self._requests("GET")["items"]
        return request

    def count(self) -> int:
        """Return how many RRs something other than filling created."""
        return len(self._requests("GET")["items"])

    def check(self, *, sent: Mapping[str, int], refused: Mapping[str, int]) -> None:
        """Hold what is stored against what was acknowledged. Raises WrongWorkError."""
        check_counts(self._requests("GET")["items"], sent=sent, refused=refused)

    def empty(self) -> None:
        """Delete all RRs but those that fill it, and the Leases that would point to them for another minute."""
        self._requests("DELETE")
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.cluster.namespace}/leases"
        self.cluster.call("DELETE", path, timeout=_SECONDS)

    def _requests(self, method: str) -> Any:
        path = f"/apis/{GROUP}/v1alpha1/namespaces/{self.cluster.namespace}/remediationrequests?{_MEASURED}"
        return self.cluster.call(method, path, timeout=_SECONDS).body

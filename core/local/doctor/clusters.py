"""Other clusters that RRs name: most often this cluster's own name, which a setting lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.local.doctor.findings import Finding, ok, warning
from core.workloads.clusters import Clusters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.local.doctor.visit import Visit

_LOOKED_AT = 1000
_SHOWN = 5


async def check_clusters(visit: Visit) -> list[Finding]:
    """Look through the RRs, up to _LOOKED_AT of them, for `spec.clusterID`.

    The functions show what they have seen at /readyz, where alerts out of scope left no RR too.
    """
    query = {"limit": str(_LOOKED_AT)}  # which the API server heeds only where it reads etcd
    found = await visit.client.list(visit.resource, namespace=visit.namespace, query=query, deadline=visit.deadline())
    clusters = Clusters(own=visit.settings.cluster)
    named = sorted({name for name in _named(found.items[:_LOOKED_AT]) if clusters.is_foreign(name)})
    if not named:
        return [ok("clusters", "no RR names another cluster than this one")]
    return [
        warning("clusters", f"RRs name the cluster {name!r}, whose objects are not looked up", clusters.remedy(name))
        for name in named[:_SHOWN]
    ]


def _named(items: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for item in items:
        spec = item.get("spec")
        name = spec.get("clusterID") if isinstance(spec, dict) else None
        if isinstance(name, str):
            yield name

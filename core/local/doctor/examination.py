"""Runs all checks, each for itself: one that cannot be made is a finding, and the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SluiceError
from core.kube.errors import ApiUnreachableError, ForbiddenError
from core.local.doctor import alertmanager, api_server, clusters, dead_letters, knative, permissions, sender
from core.local.doctor.findings import Finding, failure, warning

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from core.local.doctor.visit import Visit

    Check = Callable[[Visit], Awaitable[Sequence[Finding]]]

_CHECKS: Mapping[str, Check] = {
    "namespace": api_server.check_namespace,
    "profile": api_server.check_profile,
    "definition": api_server.check_definition,
    "selector": api_server.check_selector,
    "permissions": permissions.check_permissions,
    "flow-control": api_server.check_flow_control,
    "sender": sender.check_sender,
    "clusters": clusters.check_clusters,
    "knative": knative.check_knative,
    "dead-letters": dead_letters.check_dead_letters,
}


async def examine(visit: Visit) -> list[Finding]:
    """Return what was found, in the order in which it is best mended."""
    try:
        found = [*await api_server.check_server(visit)]
    except ApiUnreachableError as error:
        remedy = "check KUBECONFIG or SLUICE_API_SERVER, and the way to it; nothing else of the cluster was looked at"
        found = [failure("server", str(error), remedy)]
    else:
        for name, check in _CHECKS.items():
            found += await _made(name, check, visit)
        found += api_server.judge_times(visit)
    if visit.alertmanager is not None:
        found += alertmanager.check_alertmanager(visit.alertmanager, visit.settings)
    return found


async def _made(name: str, check: Check, visit: Visit) -> Sequence[Finding]:
    try:
        return await check(visit)
    except ForbiddenError as error:
        return [warning(name, f"could not be looked at: {error}", "ask with an account that may read it")]
    except SluiceError as error:
        return [failure(name, str(error), "mend what this says, and ask again")]

"""Knative's objects: are the Services and their newest revisions ready, and what brings Events to them?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.kube.errors import KubernetesError, NotFoundError, ResourceNotServedError
from core.kube.resources import Resource
from core.local.cluster import BROKERS
from core.local.doctor.findings import Finding, failure, ok, warning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.local.doctor.visit import Visit

SERVICES = Resource("serving.knative.dev", "v1", "services", "Service", custom=True)
TRIGGERS = Resource("eventing.knative.dev", "v1", "triggers", "Trigger", custom=True)
SOURCES = Resource("sources.knative.dev", "v1", "apiserversources", "ApiServerSource", custom=True)

_EXPECTED = (
    (SERVICES, "sluice-alertmanager"),
    (SERVICES, "sluice-kubernetes-event"),
    (SERVICES, "sluice-pubsub"),
    (SERVICES, "sluice-dead-letters"),
    (BROKERS, "sluice"),
    (TRIGGERS, "sluice-events"),
    (SOURCES, "sluice-events"),
)


async def check_knative(visit: Visit) -> list[Finding]:
    """Look at what knative/base makes; nothing where the API server does not serve Knative's kinds."""
    found = []
    for resource in (SERVICES, BROKERS, TRIGGERS, SOURCES):
        if not await _served(visit, resource):
            continue
        for name in (name for each, name in _EXPECTED if each == resource):
            found += await _examined(visit, resource, name)
    return found


async def _served(visit: Visit, resource: Resource) -> bool:
    try:
        kinds = await visit.client.discover(group=resource.group, version=resource.version, deadline=visit.deadline())
    except (NotFoundError, ResourceNotServedError):
        return False
    return any(kind.get("name") == resource.plural for kind in kinds)


async def _examined(visit: Visit, resource: Resource, name: str) -> list[Finding]:
    what = f"{resource.kind} {name}"
    try:
        reply = await visit.client.get(resource, namespace=visit.namespace, name=name, deadline=visit.deadline())
    except NotFoundError:
        return [warning("knative", f"there is no {what}", "kubectl apply -k knative/base, unless you don't use it")]
    except KubernetesError as error:
        return [warning("knative", f"{what} could not be read: {error}", "ask with an account that may read it")]
    status = reply.obj.get("status")
    return [_judged(what, resource, status if isinstance(status, dict) else {})]


def _judged(what: str, resource: Resource, status: Mapping[str, Any]) -> Finding:
    look = f"kubectl describe {resource.full_name}, and the pods' events and logs"
    ready = _condition(status, "Ready")
    if ready.get("status") != "True":
        why = ready.get("message") or ready.get("reason") or "nothing has looked at it yet: is Knative running?"
        return failure("knative", f"{what} is not ready: {why}", look)
    created, served = status.get("latestCreatedRevisionName"), status.get("latestReadyRevisionName")
    if created != served:
        return failure("knative", f"{what} still serves revision {served}: {created} is not ready", look)
    return ok("knative", f"{what} is ready")


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = status.get("conditions")
    listed = conditions if isinstance(conditions, list) else []
    return next((each for each in listed if isinstance(each, dict) and each.get("type") == kind), {})

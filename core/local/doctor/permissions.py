"""What the gateway's account may do, asked of the API server rule by rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.kube.resources import CORE_EVENTS, KINDS, LEASES, SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource
from core.local.doctor.findings import Finding, failure, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.local.doctor.visit import Visit

SELF_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """A right. Without a `vital` one no alert is stored; without another one a target's owner is not found, or a new RR
    has no Event."""

    verb: str
    resource: Resource
    subresource: str = ""
    namespace: str = ""
    vital: bool = True

    @property
    def rule(self) -> str:
        """The rule that gives it, as it stands in a Role."""
        plural = f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural
        return f'apiGroups: ["{self.resource.group}"], resources: ["{plural}"], verbs: ["{self.verb}"]'


async def check_permissions(visit: Visit) -> list[Finding]:
    """Ask for each right; one line for each that is missing."""
    missing = [needed for needed in _needed(visit) if not await _allowed(visit, needed)]
    who = f"the account {visit.account}" if visit.account else "the account in use"
    if not missing:
        return [ok("permissions", f"{who} has every right that the gateway needs")]
    return [_told(who, needed) for needed in missing]


def _told(who: str, needed: Needed) -> Finding:
    message = f"{who} may not {needed.verb} {needed.resource.full_name}"
    if needed.subresource:
        message += f"/{needed.subresource}"
    place = f"in namespace {needed.namespace}" if needed.namespace else "in the whole cluster"
    remedy = f"kubectl apply -k knative/cluster, or add a rule {place}: {needed.rule}"
    return failure("permissions", message, remedy) if needed.vital else warning("permissions", message, remedy)


def _needed(visit: Visit) -> Iterator[Needed]:
    namespace = visit.namespace
    for verb in ("create", "get", "list"):
        yield Needed(verb=verb, resource=visit.resource, namespace=namespace)
    yield Needed(verb="patch", resource=visit.resource, subresource="status", namespace=namespace)
    for verb in ("create", "get", "update", "delete"):
        yield Needed(verb=verb, resource=LEASES, namespace=namespace)
    if visit.settings.rr_events == "write":
        yield Needed(verb="create", resource=CORE_EVENTS, namespace=namespace, vital=False)
    if "kubernetes" in visit.settings.auth_ways:
        yield Needed(verb="create", resource=TOKEN_REVIEWS)
        yield Needed(verb="create", resource=SUBJECT_ACCESS_REVIEWS)
    if visit.settings.owners == "resolve":
        for resource in KINDS.values():
            yield Needed(verb="get", resource=resource, vital=False)


async def _allowed(visit: Visit, needed: Needed) -> bool:
    attributes = {
        "verb": needed.verb,
        "group": needed.resource.group,
        "resource": needed.resource.plural,
        "subresource": needed.subresource,
        "namespace": needed.namespace,
    }
    spec: dict[str, Any] = {"resourceAttributes": {key: text for key, text in attributes.items() if text}}
    reviews = SELF_REVIEWS
    if visit.account:
        reviews = SUBJECT_ACCESS_REVIEWS
        group = f"system:serviceaccounts:{visit.namespace}"
        spec |= {
            "user": f"system:serviceaccount:{visit.namespace}:{visit.account}",
            "groups": ["system:serviceaccounts", group, "system:authenticated"],
        }
    body = {"apiVersion": reviews.api_version, "kind": reviews.kind, "spec": spec}
    reply = await visit.client.create(reviews, body, deadline=visit.deadline())
    status = reply.obj.get("status")
    return isinstance(status, dict) and status.get("allowed") is True

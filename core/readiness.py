"""Whether an instance could do its work now: what /readyz asks the API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.errors import NotReadyError
from core.kube.errors import ApiStatusError, UnreadableAnswerError
from core.kube.resources import LEASES, SELF_SUBJECT_RULES_REVIEWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.kube.client import KubeClient
    from core.kube.resources import Resource

_FRESH_SECONDS = 10.0
"""Probes come every few seconds to every instance; what they ask changes when people change it."""

_COUNTED = ("occurrenceCount", "firstSeenAt", "lastSeenAt")
_UNTOLD = (403, 404)  # an API server that does not tell; what it does not say is not known to be wrong
_KEEPS_ALL = "x-kubernetes-preserve-unknown-fields"


class Readiness:
    """Proves access, definition, selectable field, the field that repeats are counted in, and rights; remembers for
    some seconds that all is well.

    Nothing is written for it. What a definition stores is read from the OpenAPI document that the API server publishes
    of it, which every account may read: a CREATE, dry or not, could not show it, for it takes no status.
    """

    def __init__(self, *, client: KubeClient, resource: Resource, namespace: str, clock: Clock) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._clock = clock
        self._well_until = -1.0

    async def check(self, *, deadline: Deadline) -> None:
        """Return where signals can be stored.

        Raises:
            KubernetesError, TransientError: with a sentence that says what is missing.
        """
        if self._clock.monotonic() < self._well_until:
            return
        query = {"fieldSelector": f"spec.signalFingerprint={'0' * 64}", "resourceVersion": "0", "limit": "1"}
        await self._client.list(self._resource, namespace=self._namespace, query=query, deadline=deadline)
        await self._check_definition(deadline)
        await self._check_rights(deadline)
        self._well_until = self._clock.monotonic() + _FRESH_SECONDS

    async def _check_definition(self, deadline: Deadline) -> None:
        try:
            document = await self._client.openapi(self._resource, deadline=deadline)
        except ApiStatusError as error:
            if error.status in _UNTOLD:
                return
            raise
        lost = fields_dropped(document, self._resource)
        if lost:
            raise NotReadyError(
                f"the definition of {self._resource.full_name} does not store {', '.join(lost)}, and repeats are "
                "counted there: apply knative/cluster/crd.yaml",
                retry_after=5.0,
            )

    async def _check_rights(self, deadline: Deadline) -> None:
        try:
            body = {
                "apiVersion": SELF_SUBJECT_RULES_REVIEWS.api_version,
                "kind": SELF_SUBJECT_RULES_REVIEWS.kind,
                "spec": {"namespace": self._namespace},
            }
            reply = await self._client.create(SELF_SUBJECT_RULES_REVIEWS, body, deadline=deadline)
        except ApiStatusError as error:
            if error.status in _UNTOLD:
                return
            raise
        missing = rights_missing(reply.obj, self._resource)
        if missing:
            raise NotReadyError(
                f"the gateway's account lacks rules in namespace {self._namespace}: {'; '.join(missing)}",
                retry_after=5.0,
            )


def fields_dropped(document: Mapping[str, Any], resource: Resource) -> list[str]:
    """Return the parts of status.deduplication that a definition drops, by the API server's OpenAPI v3 document.

    A document that does not speak of the kind tells nothing: the API server publishes it some time after the
    definition itself.
    """
    components = _mapping(document.get("components"))
    for schema in map(_mapping, _mapping(components.get("schemas")).values()):
        kinds = schema.get("x-kubernetes-group-version-kind")
        wanted = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        if isinstance(kinds, list) and wanted in kinds:
            return [f"status.deduplication.{name}" for name in _COUNTED if not _stores(schema, name)]
    return []


def _stores(schema: Mapping[str, Any], name: str) -> bool:
    for part in ("status", "deduplication", name):
        if schema.get(_KEEPS_ALL) is True or schema.get("additionalProperties"):
            return True
        properties = _mapping(schema.get("properties"))
        if part not in properties:
            return False
        schema = _mapping(properties[part])
    return True


def rights_missing(review: Mapping[str, Any], resource: Resource) -> list[str]:
    """Return the RBAC rules that an account lacks, by its SelfSubjectRulesReview.

    Raises:
        UnreadableAnswerError: it is not such a review.
    """
    status = review.get("status")
    if not isinstance(status, dict) or not isinstance(status.get("resourceRules"), list):
        raise UnreadableAnswerError("the API server's answer is no SelfSubjectRulesReview")
    if status.get("incomplete"):  # an authorizer that cannot list its rules may allow what is not there
        return []
    rules = [rule for rule in status["resourceRules"] if isinstance(rule, dict) and not rule.get("resourceNames")]
    needed = {
        (resource.group, resource.plural): ("create", "get", "list"),
        (resource.group, f"{resource.plural}/status"): ("patch",),
        (LEASES.group, LEASES.plural): ("create", "get", "update", "delete"),
    }
    missing = []
    for (group, plural), verbs in needed.items():
        lacking = [verb for verb in verbs if not _allowed(rules, group, plural, verb)]
        if lacking:
            quoted = ", ".join(f'"{verb}"' for verb in lacking)
            missing.append(f'apiGroups: ["{group}"], resources: ["{plural}"], verbs: [{quoted}]')
    return missing


def _allowed(rules: Iterable[Mapping[str, Any]], group: str, plural: str, verb: str) -> bool:
    subresource = f"*/{plural.partition('/')[2]}" if "/" in plural else plural
    return any(
        _names(rule, "apiGroups", group)
        and (_names(rule, "resources", plural) or _names(rule, "resources", subresource))
        and _names(rule, "verbs", verb)
        for rule in rules
    )


def _names(rule: Mapping[str, Any], what: str, name: str) -> bool:
    named = rule.get(what)
    return isinstance(named, list) and ("*" in named or name in named)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

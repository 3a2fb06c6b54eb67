"""Which kinds the API server serves, and under which URL: built-in ones by table, all others by discovery."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.common.memory import ShortMemory
from core.kube.errors import (
    ApiStatusError,
    ForbiddenError,
    NotFoundError,
    ResourceNotServedError,
    UnreadableAnswerError,
)
from core.kube.resources import KINDS, Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.kube.client import JsonObject, KubeClient
    from core.signals.signal import TargetResource

DISCOVERY_SECONDS = 600.0
_REMEMBERED_KINDS = 500

_BY_SINGULAR = {kind.lower(): served for kind, served in KINDS.items()}

Catalogue = dict[str, tuple[Resource, ...]]
"""Singular name in lower case, and the kinds that have it: Kubernetes' own first."""

_Named = tuple[str, Resource]


def built_in(api_version: str, kind: str) -> Resource | None:
    """Return a kind of our table; without `api_version`, the one that has this name."""
    served = KINDS.get(kind)
    if served and api_version and served.group != api_version.rpartition("/")[0]:
        return None
    return served


def built_in_singular(singular: str) -> Resource | None:
    """Return the kind of our table that has this singular name, such as `deployment`."""
    return _BY_SINGULAR.get(singular)


class Kinds:
    """Finds the URL of any kind; what discovery says is remembered for ten minutes.

    Args:
        client: asks the API server; None knows the built-in kinds and no others.
        clock: tells how old an answer is.
    """

    def __init__(self, *, client: KubeClient | None, clock: Clock) -> None:
        self._client = client
        self._discovered: ShortMemory[tuple[str, str], Resource | None] = ShortMemory(
            clock=clock, capacity=_REMEMBERED_KINDS
        )
        self._catalogue: ShortMemory[None, Catalogue] = ShortMemory(clock=clock, capacity=1)

    async def find(self, *, api_version: str, kind: str, deadline: Deadline) -> Resource | None:
        """Return where `kind` is read, or None where the API server does not serve it.

        Raises:
            KubernetesError, TransientError: discovery failed for the moment.
        """
        known = built_in(api_version, kind)
        if known or not api_version or self._client is None:
            return known
        client = self._client
        return await self._discovered.get(
            (api_version, kind),
            max_age=DISCOVERY_SECONDS,
            read=lambda: _discover(client, api_version, kind, deadline),
        )

    async def by_singular(self, singular: str, *, deadline: Deadline) -> Sequence[Resource]:
        """Return the kinds that have a singular name, such as `rollout`; groups may have kinds of one name.

        Kubernetes' own come first. All that is served is read at once, and remembered for ten minutes: a name
        that nothing has costs no call then.

        Raises:
            KubernetesError, TransientError: discovery failed for the moment.
        """
        known = built_in_singular(singular)
        if known:
            return (known,)
        if self._client is None:
            return ()
        client = self._client
        catalogue = await self._catalogue.get(
            None, max_age=DISCOVERY_SECONDS, read=lambda: _read_catalogue(client, deadline=deadline)
        )
        return catalogue.get(singular, ())

    async def with_namespace(
        self, target: TargetResource, *, event_namespace: str, deadline: Deadline
    ) -> TargetResource:
        """Return `target` with a namespace where its kind has one, and with none where its kind has none.

        A kind that is not known leaves it as it is.

        Args:
            target: the object, with whatever namespace its sender gave it.
            event_namespace: of the Event that names it; what needs a namespace and was given none is in that.
            deadline: of the request.

        Raises:
            KubernetesError, TransientError: discovery failed for the moment.
        """
        served = await self.find(api_version=target.api_version, kind=target.kind, deadline=deadline)
        if served is None:
            return target
        namespace = (target.namespace or event_namespace) if served.namespaced else ""
        return target if namespace == target.namespace else dataclasses.replace(target, namespace=namespace)


async def _discover(client: KubeClient, api_version: str, kind: str, deadline: Deadline) -> Resource | None:
    group, _, version = api_version.rpartition("/")
    try:
        resources = await client.discover(group=group, version=version, deadline=deadline)
    except (NotFoundError, ResourceNotServedError, ForbiddenError):
        return None
    for served in resources:
        if served.get("kind") == kind and "/" not in str(served.get("name", "/")):
            return Resource(group, version, str(served["name"]), kind, namespaced=bool(served.get("namespaced")))
    return None


async def _read_catalogue(client: KubeClient, *, deadline: Deadline) -> Catalogue:
    """Read discovery: two calls, or one for each API group where the API server is older than 1.27 (KEP-3352).

    Raises:
        KubernetesError, TransientError: discovery failed.
    """
    core = await client.discover(group="", version="v1", deadline=deadline)
    groups = await client.discover_groups(deadline=deadline)
    try:
        kinds = [*_of_version("", "v1", core), *await _of_groups(client, groups, deadline)]
    except (AttributeError, KeyError, TypeError) as error:
        raise UnreadableAnswerError("the API server's answer to discovery cannot be read") from error
    return _by_singular(kinds)


async def _of_groups(client: KubeClient, answer: JsonObject, deadline: Deadline) -> list[_Named]:
    if answer.get("kind") == "APIGroupDiscoveryList":
        return [named for group in answer["items"] for named in _of_group(group)]
    found: list[_Named] = []
    for group in answer["groups"]:
        found += await _kinds_of(client, group["name"], group["preferredVersion"]["version"], deadline)
    return found


async def _kinds_of(client: KubeClient, group: str, version: str, deadline: Deadline) -> list[_Named]:
    try:
        resources = await client.discover(group=group, version=version, deadline=deadline)
    except ApiStatusError:  # an aggregated API server that is down must not hide all the others' kinds
        return []
    return list(_of_version(group, version, resources))


def _of_group(group: Mapping[str, Any]) -> Iterator[_Named]:
    name = group["metadata"]["name"]
    for version in group["versions"]:  # the preferred one is the first
        for resource in version.get("resources") or ():
            kind = (resource.get("responseKind") or {}).get("kind", "")
            namespaced = resource["scope"] == "Namespaced"
            served = Resource(name, version["version"], resource["resource"], kind, namespaced=namespaced)
            if "get" in resource["verbs"]:
                yield resource.get("singularResource", ""), served


def _of_version(group: str, version: str, resources: Iterable[Mapping[str, Any]]) -> Iterator[_Named]:
    for resource in resources:
        if "/" not in resource["name"] and "get" in resource.get("verbs", ()):
            namespaced = bool(resource.get("namespaced"))
            served = Resource(group, version, resource["name"], resource["kind"], namespaced=namespaced)
            yield resource.get("singularName", ""), served


def _by_singular(kinds: Iterable[_Named]) -> Catalogue:
    found: dict[str, dict[tuple[str, str], Resource]] = {}
    for singular, served in kinds:
        # The core group says no singular names before 1.27.
        known = found.setdefault(singular or served.kind.lower(), {})
        known.setdefault((served.group, served.kind), served)  # its preferred version came first
    return {singular: tuple(sorted(known.values(), key=_precedence)) for singular, known in found.items()}


def _precedence(served: Resource) -> tuple[int, str]:
    group = served.group
    return (0 if not group else 1 if "." not in group or group.endswith(".k8s.io") else 2), group

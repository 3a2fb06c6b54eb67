"""What the API server says of objects: the kinds that it serves, and the metadata of one: its owners and its labels.

Built-in kinds are known by table, all others by discovery. Of an object nothing is read but its metadata
(PartialObjectMetadata).
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from core.common.memory import NOTHING_SECONDS, ShortMemory
from core.kube.client import METADATA_ONLY
from core.kube.errors import (
    ApiStatusError,
    ForbiddenError,
    NamespaceNotFoundError,
    NotFoundError,
    ResourceNotServedError,
    UnreadableAnswerError,
)
from core.kube.resources import KINDS, Resource
from core.signals.signal import TargetResource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.kube.client import JsonObject, KubeClient

DISCOVERY_SECONDS = 600.0
_REMEMBERED_KINDS = 500


_BY_SINGULAR = {kind.lower(): served for kind, served in KINDS.items()}

Catalogue = dict[str, tuple[Resource, ...]]
"""Singular name in lower case, and the kinds that have it: Kubernetes' own first."""

REMEMBERED_OBJECTS = 10_000
_Named = tuple[str, Resource]
_MIRROR = "kubernetes.io/config.mirror"
SILENCED_UNTIL = "sluice.kubernaut.ai/silenced-until"
"""Annotation of any object: until then, in RFC 3339, no signal about it or what it owns opens or counts on an RR."""

_LONGEST_MOMENT = 64


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


class ObjectMetadata(NamedTuple):
    """What is read of an object.

    `uids` are what it may be called by: its own uid and, where it mirrors a static pod, the one that its kubelet
    gives it. `owners` are those that its ownerReferences name, `controller` the one of them that manages it.
    `dying` is whether it is being deleted, `silenced_until` what its annotation says, as it stands. One that is not
    `readable` is taken to be there, and no more is known.
    """

    uids: frozenset[str] = frozenset()
    labels: Mapping[str, str] = MappingProxyType({})
    owners: tuple[TargetResource, ...] = ()
    controller: TargetResource | None = None
    dying: bool = False
    silenced_until: str = ""
    readable: bool = True


_UNREADABLE = ObjectMetadata(readable=False)
"""Of a custom kind that no rule lets us read; that stays so until people change it."""


class MetadataReader:
    """Reads objects by name; a quorum read each, remembered for as long as the caller allows.

    What is remembered is what the API server said, by kind, namespace and name. What a sender says of an object
    decides nothing for others: a uid it gives is compared, and never a key.
    """

    def __init__(self, *, client: KubeClient, kinds: Kinds, clock: Clock) -> None:
        self._client = client
        self._kinds = kinds
        self._remembered: ShortMemory[tuple[str, str, str, str], ObjectMetadata | None] = ShortMemory(
            clock=clock, capacity=REMEMBERED_OBJECTS
        )
        self._nodes: ShortMemory[tuple[str, str], str | None] = ShortMemory(clock=clock, capacity=REMEMBERED_OBJECTS)

    async def read(self, target: TargetResource, *, max_age: float, deadline: Deadline) -> ObjectMetadata | None:
        """Return what is known of `target`, or None where there is no such object.

        There is none either where its kind is not served, or where the object under its name has another uid than
        `target`: the one that is meant is gone, and the name was given again. A custom kind that no rule lets us
        read counts as there. A built-in kind without its rule is an error, which people mend.

        Args:
            target: the object; its uid, where it has one, must be that of the object.
            max_age: seconds an earlier answer may be old.
            deadline: of the request.

        Raises:
            KubernetesError, TransientError: the API server could not be asked, or a rule is missing.
        """
        served = await self._kinds.find(api_version=target.api_version, kind=target.kind, deadline=deadline)
        if served is None:
            return None
        found = await self._get(served, target, max_age, deadline)
        if found is None or not found.readable or _is_meant(target, found):
            return found
        # Made anew since it was read? Asked again, but not for each signal that names a uid of the past.
        found = await self._get(served, target, min(max_age, NOTHING_SECONDS), deadline)
        return found if found is not None and _is_meant(target, found) else None

    async def node_of(self, pod: TargetResource, *, max_age: float, deadline: Deadline) -> str:
        """Return the name of the Node that a Pod runs on; empty where there is no such Pod, or it runs nowhere.

        The metadata alone does not say it: this reads the whole Pod.

        Raises:
            KubernetesError, TransientError: the API server could not be asked, or a rule is missing.
        """
        place = (pod.namespace, pod.name)
        node = await self._nodes.get(place, max_age=max_age, read=lambda: self._read_node_of(pod, deadline))
        return node or ""

    async def _read_node_of(self, pod: TargetResource, deadline: Deadline) -> str | None:
        try:
            reply = await self._client.get(KINDS["Pod"], namespace=pod.namespace, name=pod.name, deadline=deadline)
        except NotFoundError:
            return None
        spec = reply.obj.get("spec")
        node = spec.get("nodeName") if isinstance(spec, dict) else None
        return node if isinstance(node, str) and node else None

    async def _get(
        self, served: Resource, target: TargetResource, max_age: float, deadline: Deadline
    ) -> ObjectMetadata | None:
        namespace = target.namespace if served.namespaced else ""
        place = (served.api_version, served.plural, namespace, target.name)
        return await self._remembered.get(
            place, max_age=max_age, read=lambda: self._read(served, namespace, target.name, deadline)
        )

    async def _read(self, served: Resource, namespace: str, name: str, deadline: Deadline) -> ObjectMetadata | None:
        try:
            reply = await self._client.get(
                served, namespace=namespace, name=name, deadline=deadline, accept=METADATA_ONLY
            )
        except (NotFoundError, NamespaceNotFoundError):  # the second where `name` is a Namespace's
            return None
        except ForbiddenError:
            if built_in(served.api_version, served.kind):
                raise
            return _UNREADABLE
        except ResourceNotServedError:
            if built_in(served.api_version, served.kind):
                raise
            return None
        return _metadata(reply.obj, namespace, name)


def _is_meant(target: TargetResource, found: ObjectMetadata) -> bool:
    # A kubelet gives its Node's name for a uid.
    return target.uid in ("", target.name) or target.uid in found.uids


def _metadata(obj: JsonObject, namespace: str, name: str) -> ObjectMetadata:
    try:
        metadata: dict[str, Any] = obj["metadata"]
        if metadata["name"] != name:
            raise _other(name)
        references = metadata.get("ownerReferences") or ()
        owners = [(_owner(each, namespace), bool(each.get("controller"))) for each in references]
        return ObjectMetadata(
            uids=frozenset(str(uid) for uid in (metadata.get("uid"), _mirrored(metadata)) if uid),
            labels=dict(metadata.get("labels") or {}),
            owners=tuple(owner for owner, _ in owners),
            controller=next((owner for owner, controls in owners if controls), None),
            dying=bool(metadata.get("deletionTimestamp")),
            silenced_until=str(_annotation(metadata, SILENCED_UNTIL) or "")[:_LONGEST_MOMENT],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _other(name) from error


def _other(name: str) -> UnreadableAnswerError:
    return UnreadableAnswerError(f"the API server's answer is not the metadata of {name} that was asked for")


def _mirrored(metadata: dict[str, Any]) -> object:
    return _annotation(metadata, _MIRROR)


def _annotation(metadata: dict[str, Any], key: str) -> object:
    return (metadata.get("annotations") or {}).get(key)


def _owner(reference: Mapping[str, Any], namespace: str) -> TargetResource:
    known = built_in(str(reference["apiVersion"]), str(reference["kind"]))
    return TargetResource(
        kind=str(reference["kind"]),
        name=str(reference["name"]),
        namespace=namespace if known is None or known.namespaced else "",
        api_version=str(reference["apiVersion"]),
        uid=str(reference.get("uid") or ""),
    )

"""Storage of locks: one Lease object each, and nothing of the algorithm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from core.common.text import micro_time, parse_rfc3339
from core.kube.errors import UnreadableAnswerError
from core.kube.resources import LEASES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.kube.client import KubeClient, Reply

T = TypeVar("T")

STAMP_ANNOTATION = "gateway.kubernaut.ai/stamped-at"
"""The API server's time at which a Lease from the future was seen: its age counts from then on."""


class Lease(NamedTuple):
    """A Lease as last seen.

    `written_at` is the latest time that the API server itself put on the object: creationTimestamp or a
    managedFields entry. Where its clock was set back since, and the Lease was stamped anew (STAMP_ANNOTATION), times
    that are still to come say nothing. `server_time` is the Date of the answer that brought it. Both in whole seconds.
    """

    name: str
    holder: str
    duration_seconds: int
    transitions: int
    uid: str
    resource_version: str
    annotations: Mapping[str, str]
    written_at: datetime
    server_time: datetime


def lease_name(fingerprint: str) -> str:
    """Return the Lease that guards a fingerprint (kubernaut: gw-lock-{fingerprint[:16]})."""
    return f"gw-lock-{fingerprint[:16]}"


class LeaseStore:
    """Reads and writes Leases in one namespace. Raises KubernetesError as the client does."""

    def __init__(self, *, client: KubeClient, namespace: str, clock: Clock) -> None:
        self._client = client
        self._namespace = namespace
        self._clock = clock

    async def create(
        self, name: str, *, holder: str, duration_seconds: int, annotations: Mapping[str, str], deadline: Deadline
    ) -> Lease:
        """Create the Lease; AlreadyExistsError where somebody has it."""
        body = self._body(name, holder, duration_seconds, annotations)
        return _lease(await self._client.create(LEASES, body, namespace=self._namespace, deadline=deadline), name)

    async def read(self, name: str, *, deadline: Deadline) -> Lease:
        """Read the Lease from etcd; NotFoundError where nobody has it."""
        return _lease(await self._client.get(LEASES, namespace=self._namespace, name=name, deadline=deadline), name)

    async def update(
        self,
        seen: Lease,
        *,
        holder: str,
        duration_seconds: int,
        transitions: int,
        annotations: Mapping[str, str],
        deadline: Deadline,
    ) -> Lease:
        """Write over the Lease as it was seen; ConflictError where it has changed since, NotFoundError where it is
        gone."""
        body = self._body(seen.name, holder, duration_seconds, annotations)
        body["metadata"] |= {"resourceVersion": seen.resource_version, "uid": seen.uid}
        body["spec"]["leaseTransitions"] = transitions
        reply = await self._client.update(LEASES, body, namespace=self._namespace, name=seen.name, deadline=deadline)
        return _lease(reply, seen.name)

    async def delete(self, seen: Lease, *, deadline: Deadline) -> None:
        """Delete the Lease exactly as it was seen; ConflictError where it is another's by now."""
        await self._client.delete(
            LEASES,
            namespace=self._namespace,
            name=seen.name,
            preconditions={"uid": seen.uid, "resourceVersion": seen.resource_version},
            deadline=deadline,
        )

    async def pages(self, *, size: int, deadline: Deadline) -> AsyncIterator[list[Lease]]:
        """LIST all Leases of the namespace, those of others too, `size` at a time."""
        async for page in self._client.pages(LEASES, namespace=self._namespace, size=size, deadline=deadline):
            yield [_parsed(item, page.server_time) for item in page.items]

    def _body(self, name: str, holder: str, duration_seconds: int, annotations: Mapping[str, str]) -> dict[str, Any]:
        now = micro_time(self._clock.now())
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": name, "namespace": self._namespace, "annotations": dict(annotations)},
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": duration_seconds,
                # For people and for other gateways only; this gateway never decides by them.
                "acquireTime": now,
                "renewTime": now,
            },
        }


def _lease(reply: Reply, name: str) -> Lease:
    lease = _parsed(reply.obj, reply.server_time)
    if lease.name != name:
        raise UnreadableAnswerError(f"the API server's answer is not the Lease {name} that was asked for")
    return lease


def _parsed(obj: Mapping[str, Any], server_time: datetime) -> Lease:
    try:
        return _parse(obj, server_time)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableAnswerError("the API server's Lease cannot be read") from error


def _parse(obj: Mapping[str, Any], server_time: datetime) -> Lease:
    metadata = obj["metadata"]
    spec = obj.get("spec") or {}
    annotations = _typed(metadata.get("annotations") or {}, dict)
    stamps = [metadata["creationTimestamp"]]
    stamps += [entry["time"] for entry in metadata.get("managedFields") or () if "time" in entry]
    times = [parse_rfc3339(stamp) for stamp in stamps]
    if STAMP_ANNOTATION in annotations:
        stamped_at = parse_rfc3339(annotations[STAMP_ANNOTATION])
        times = [stamped_at, *(time for time in times if time <= server_time)]
    return Lease(
        name=_typed(metadata["name"], str),
        holder=_typed(spec.get("holderIdentity") or "", str),
        duration_seconds=_typed(spec.get("leaseDurationSeconds") or 0, int),
        transitions=_typed(spec.get("leaseTransitions") or 0, int),
        uid=_typed(metadata["uid"], str),
        resource_version=_typed(metadata["resourceVersion"], str),
        annotations=annotations,
        written_at=max(times),
        server_time=server_time,
    )


def _typed(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(value)
    return value

"""The calls of the protocol, bare: what each costs the API server, without a gateway."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.support.cluster import GROUP

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    import aiohttp

_MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Api:
    """One namespace of the API server, as the gateway's service account."""

    session: aiohttp.ClientSession
    url: str
    token: str
    tls: ssl.SSLContext
    namespace: str

    async def list_rrs(self, fingerprint: str) -> None:
        """The first look: by field selector, from the watch cache."""
        query = {"fieldSelector": f"spec.signalFingerprint={fingerprint}", "resourceVersion": "0"}
        await self._call("GET", self.rrs, params=query)

    async def create_rr(self, template: dict[str, Any], fingerprint: str) -> Any:
        """An RR with the content of `template`."""
        metadata = {"name": f"rr-{fingerprint[:20]}", "annotations": template["metadata"].get("annotations", {})}
        body = template | {"metadata": metadata, "spec": template["spec"] | {"signalFingerprint": fingerprint}}
        body.pop("status", None)
        return await self._call("POST", self.rrs, body)

    async def get_rr(self, name: str) -> Any:
        """A quorum read by name."""
        return await self._call("GET", f"{self.rrs}/{name}")

    async def get_owner(self, path: str) -> None:
        """A workload's metadata only, as the owner lookup reads it."""
        accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
        await self._call("GET", path, accept=accept)

    async def patch_status(self, name: str, version: str, occurrences: int) -> str:
        """The count; returns the new resourceVersion."""
        at = f"2026-01-02T03:04:05.{occurrences:09d}Z"
        deduplication = {"occurrenceCount": occurrences, "firstSeenAt": at, "lastSeenAt": at}
        body = {"metadata": {"resourceVersion": version}, "status": {"deduplication": deduplication}}
        patched = await self._call("PATCH", f"{self.rrs}/{name}/status", body, content_type=_MERGE)
        return str(patched["metadata"]["resourceVersion"])

    async def create_lease(self, fingerprint: str) -> Any:
        """The lock."""
        spec = {"holderIdentity": "sluice-scale", "leaseDurationSeconds": 30}
        metadata = {"name": f"gw-lock-{fingerprint[:16]}"}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        return await self._call("POST", self._leases, body)

    async def update_lease(self, lease: Any) -> Any:
        """The lock, marked done."""
        body = lease | {"spec": lease["spec"] | {"leaseDurationSeconds": 1}}
        return await self._call("PUT", f"{self._leases}/{lease['metadata']['name']}", body)

    async def delete_lease(self, lease: Any) -> None:
        """With preconditions, as the gateway does it."""
        metadata = lease["metadata"]
        conditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        await self._call("DELETE", f"{self._leases}/{metadata['name']}", {"preconditions": conditions})

    @property
    def rrs(self) -> str:
        """The path of the namespace's RRs."""
        return f"/apis/{GROUP}/v1alpha1/namespaces/{self.namespace}/remediationrequests"

    @property
    def _leases(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    async def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        accept: str = "application/json",
        content_type: str = "application/json",
        **options: Any,
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type, "Accept": accept}
        data = json.dumps(body) if body is not None else None
        async with self.session.request(
            method, self.url + path, data=data, headers=headers, ssl=self.tls, **options
        ) as response:
            answer = await response.json()
            assert response.status < 300, answer
            return answer


async def run_all(operation: Callable[[int], Awaitable[object]], *, number: int, in_flight: int) -> list[float]:
    """Run `operation(0)` to `operation(number - 1)`, `in_flight` at a time; returns the seconds of each."""
    indices, seconds = count(), []

    async def work() -> None:
        while (index := next(indices)) < number:
            started = time.perf_counter()
            await operation(index)
            seconds.append(time.perf_counter() - started)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())
    return seconds

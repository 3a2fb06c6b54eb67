"""The same minimum of API calls by a bare client: no decoding, no judgement, no retries."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

    import aiohttp

_MERGE = "application/merge-patch+json"
_TIME = "2026-01-02T03:04:05.123456Z"


@dataclass
class BareClient:
    """Calls on one namespace, as few as the protocol needs."""

    session: aiohttp.ClientSession
    url: str
    token: str
    tls: ssl.SSLContext
    namespace: str
    versions: dict[str, tuple[str, str]] = field(default_factory=dict)
    turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    writes: int = 0

    async def new(self, workload: str) -> None:
        """LIST, Lease CREATE, request CREATE, then status PATCH and Lease DELETE together."""
        fingerprint = hashlib.sha256(workload.encode()).hexdigest()
        query = {"fieldSelector": f"spec.signalFingerprint={fingerprint}", "resourceVersion": "0"}
        await self._call("GET", self._requests, params=query)
        lease = await self._call("POST", self._leases, _lease(fingerprint))
        made = await self._call("POST", self._requests, self._request(fingerprint, workload))
        name, metadata = made["metadata"]["name"], lease["metadata"]
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        patched, _ = await asyncio.gather(
            self._count(name, made["metadata"]["resourceVersion"], 1),
            self._call("DELETE", f"{self._leases}/{metadata['name']}", {"preconditions": preconditions}),
        )
        self.versions[workload] = (name, patched["metadata"]["resourceVersion"])

    async def repeat(self, workload: str) -> None:
        """One status PATCH with the resourceVersion seen; those of one request take turns, as they must."""
        async with self.turns.setdefault(workload, asyncio.Lock()):
            name, version = self.versions[workload]
            patched = await self._count(name, version, 2)
            self.versions[workload] = (name, patched["metadata"]["resourceVersion"])

    async def _count(self, name: str, version: str, count: int) -> Any:
        deduplication = {"occurrenceCount": count, "firstSeenAt": _TIME, "lastSeenAt": self._next_time()}
        body = {"metadata": {"resourceVersion": version}, "status": {"deduplication": deduplication}}
        return await self._call("PATCH", f"{self._requests}/{name}/status", body, content_type=_MERGE)

    def _next_time(self) -> str:
        # Must change, or the API server would not write at all.
        self.writes += 1
        return f"2026-01-02T03:04:05.{self.writes % 10**9:09d}Z"

    async def _call(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **options: Any
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        data = json.dumps(body) if body is not None else None
        async with self.session.request(
            method, self.url + path, data=data, headers=headers, ssl=self.tls, **options
        ) as response:
            answer = await response.json()
            assert response.status < 300, answer
            return answer

    def _request(self, fingerprint: str, workload: str) -> dict[str, Any]:
        return {
            "apiVersion": "remediation.kubernaut.ai/v1alpha1",
            "kind": "RemediationRequest",
            "metadata": {"name": f"floor-{fingerprint[:20]}"},
            "spec": {
                "signalFingerprint": fingerprint,
                "signalName": "NodeDown",
                "severity": "critical",
                "signalType": "prometheus-alert",
                "targetType": "kubernetes",
                "targetResource": {"kind": "Pod", "name": workload, "namespace": "prod"},
                "firingTime": _TIME,
                "receivedTime": _TIME,
                "signalLabels": {"alertname": "NodeDown", "pod": workload, "namespace": "prod"},
                "originalPayload": "e30=" * 150,
            },
        }

    @property
    def _requests(self) -> str:
        return f"/apis/remediation.kubernaut.ai/v1alpha1/namespaces/{self.namespace}/remediationrequests"

    @property
    def _leases(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"


def _lease(fingerprint: str) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"floor-{fingerprint[:16]}"},
        "spec": {"holderIdentity": "bench", "leaseDurationSeconds": 30},
    }

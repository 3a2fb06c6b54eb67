"""The same minimum of API calls by a bare client: no decoding, no judgement, no retries."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from core.protocol.lock import RR_ANNOTATION, STATE_ANNOTATION, LockState

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

PREFIX = "floor"  # of the names of what the bare client creates, for the gateway's begin with `rr`
MANAGED_BY, FILLER = "app.kubernetes.io/managed-by", "filler"  # the label, and who fills the namespace
_JSON = {"Content-Type": "application/json"}
_MERGE = {"Content-Type": "application/merge-patch+json"}
_TIME = "2026-01-02T03:04:05.123456Z"


@dataclass(frozen=True)
class Template:
    """A request as the gateway created it, so that the bare client's are as large.

    `text` is the object's JSON, `fingerprint`, `name` and `target` what to replace in it.
    """

    text: str
    fingerprint: str
    name: str
    target: str

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self:
        """Leave out what the API server had added."""
        metadata = {key: request["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
        spec = request["spec"]
        text = json.dumps(
            {"apiVersion": request["apiVersion"], "kind": request["kind"], "metadata": metadata, "spec": spec},
            separators=(",", ":"),
        )
        return cls(text, spec["signalFingerprint"], metadata["name"], spec["targetResource"]["name"])

    def filled(self, target: str, *, fingerprint: str) -> str:
        """Return the object for another target."""
        name = f"{PREFIX}-{fingerprint[:18]}"
        text = self.text.replace(self.fingerprint, fingerprint).replace(self.name, name)
        return text.replace(self.target, target)


@dataclass
class BareClient:
    """Calls on one namespace, as few as the protocol needs; `session` carries URL, credentials and connections."""

    session: aiohttp.ClientSession
    namespace: str
    template: Template
    versions: dict[str, tuple[str, str]] = field(default_factory=dict)
    turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    writes: int = 0

    async def new(self, target: str) -> None:
        """LIST, Lease CREATE, RR CREATE, and the Lease Update that marks it done."""
        async with self._turn(target):
            fingerprint = hashlib.sha256(f"{PREFIX} {target}".encode()).hexdigest()
            query = {"fieldSelector": f"spec.signalFingerprint={fingerprint}", "resourceVersion": "0"}
            await self._call("GET", self._requests, params=query)
            lease = await self._call("POST", self._leases, self._lease(fingerprint))
            made = await self._call("POST", self._requests, self.template.filled(target, fingerprint=fingerprint))
            name, version = made["metadata"]["name"], made["metadata"]["resourceVersion"]
            await self._mark_done(lease, rr=name)
            self.versions[target] = (name, version)

    async def repeat(self, target: str) -> None:
        """One status PATCH with the resourceVersion seen; those of one request take turns, as they must."""
        async with self._turn(target):
            name, version = self.versions[target]
            patched = await self._count(name, version, 2)
            self.versions[target] = (name, patched["metadata"]["resourceVersion"])

    async def create(self, target: str) -> None:
        """Create a request alone, to fill the namespace; its label tells it from those that are measured."""
        fingerprint = hashlib.sha256(target.encode()).hexdigest()
        request = json.loads(self.template.filled(target, fingerprint=fingerprint))
        request["metadata"] |= {"name": target, "labels": {MANAGED_BY: FILLER}}
        await self._call("POST", self._requests, json.dumps(request))

    def _turn(self, target: str) -> asyncio.Lock:
        return self.turns.setdefault(target, asyncio.Lock())

    async def _count(self, name: str, version: str, count: int) -> Any:
        deduplication = {"occurrenceCount": count, "firstSeenAt": _TIME, "lastSeenAt": self._next_time()}
        body = {"metadata": {"resourceVersion": version}, "status": {"deduplication": deduplication}}
        return await self._call("PATCH", f"{self._requests}/{name}/status", json.dumps(body), headers=_MERGE)

    async def _mark_done(self, lease: dict[str, Any], *, rr: str) -> None:
        holder = lease["spec"]["holderIdentity"]
        lease["metadata"]["annotations"] = {STATE_ANNOTATION: f"{LockState.DONE} {holder}", RR_ANNOTATION: rr}
        lease["spec"]["leaseTransitions"] = 1
        await self._call("PUT", f"{self._leases}/{lease['metadata']['name']}", json.dumps(lease))

    def _next_time(self) -> str:
        # Must change, or the API server would not write at all.
        self.writes += 1
        return f"2026-01-02T03:04:05.{self.writes % 10**9:09d}Z"

    async def _call(
        self, method: str, path: str, body: str | None = None, *, headers: Mapping[str, str] = _JSON, **options: Any
    ) -> Any:
        async with self.session.request(method, path, data=body, headers=headers, **options) as response:
            answer = await response.read()
            assert response.status < 300, answer
            return json.loads(answer)

    def _lease(self, fingerprint: str) -> str:
        return json.dumps(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": f"{PREFIX}-{fingerprint[:16]}",
                    "namespace": self.namespace,
                    "annotations": {STATE_ANNOTATION: f"{LockState.HELD} {fingerprint[:32]}"},
                },
                "spec": {
                    "holderIdentity": fingerprint[:32],
                    "leaseDurationSeconds": 30,
                    "acquireTime": _TIME,
                    "renewTime": _TIME,
                },
            }
        )

    @property
    def _requests(self) -> str:
        return f"/apis/remediation.kubernaut.ai/v1alpha1/namespaces/{self.namespace}/remediationrequests"

    @property
    def _leases(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

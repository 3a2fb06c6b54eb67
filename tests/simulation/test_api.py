"""The simulated API answers as the embedded one does, which tests/contract holds against the real one."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from core.common.clock import MockClock
from core.kube.client import MERGE_PATCH
from core.kube.transport import ApiRequest, ApiResponse
from core.local.embedded import EmbeddedApi
from tests.contract.objects import FINGERPRINT, lease, remediation_request
from tests.simulation.api import Api, Replica
from tests.simulation.etcd import Etcd
from tests.simulation.machine import START
from tests.simulation.worker import NAMESPACE
from tests.support.wire import deliver

CALLS = 250
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
RRS = f"/apis/remediation.kubernaut.ai/v1alpha1/namespaces/{NAMESPACE}/remediationrequests"
OTHER_FINGERPRINT = "b" * 64


@dataclass
class Side:
    """One of the two, what it said last of each object, and the order in which its uids and versions appeared."""

    send: Any
    last: dict[str, Any] = field(default_factory=dict)
    order: dict[str, dict[str, str]] = field(default_factory=lambda: {"uid": {}, "resourceVersion": {}})

    async def call(self, planned: Planned) -> tuple[int, str, Any]:
        """Return status, Date and the body, comparable with the other side's."""
        text = json.dumps(planned.body)
        seen = self.last.get(planned.target, {}).get("metadata", {})
        for mark, key in (("<uid>", "uid"), ("<version>", "resourceVersion")):
            text = text.replace(mark, seen.get(key, "no-such-uid" if key == "uid" else "999999"))
        response: ApiResponse = await self.send(planned.request(text))
        body = json.loads(response.body)
        if response.status < 300 and "spec" in body:
            self.last[planned.target] = body
        return response.status, response.headers["Date"], self._comparable(body)

    def _comparable(self, body: Any) -> Any:
        for obj in body.get("items", [body]):
            metadata = obj["metadata"]
            for key, known in self.order.items():
                if key in metadata:
                    known.setdefault(metadata[key], f"<{key} {len(known)}>")
            # Of managedFields the gateway reads the newest time, on Leases only.
            newest = max((entry["time"] for entry in metadata.pop("managedFields", ())), default="")
            if body["kind"] == "Lease":
                metadata["newest"] = newest
        if "items" in body:
            body["metadata"] = None
        text = json.dumps(body, sort_keys=True)
        for uid, number in self.order["uid"].items():
            text = text.replace(uid, number)
        for version, number in self.order["resourceVersion"].items():
            # A bare one may be a count.
            text = text.replace(f'"{version}"', f'"{number}"').replace(f"({version})", f"({number})")
        return json.loads(text)


class Planned:
    """One call of the kind that gateways, the orchestrator or an operator make."""

    def __init__(self, dice: random.Random) -> None:
        root, make = dice.choice(((LEASES, lease), (RRS, remediation_request)))
        name = dice.choice(("n-1", "n-2"))
        self.target = f"{root}/{name}"
        self.query: dict[str, str] = {}
        act = dice.choice(("create", "create", "change", "change", "change", "delete", "get", "list"))
        self.method, self.path, self.body = {
            "create": ("POST", root, self._new(dice, make, name)),
            "change": self._change(dice, root, name),
            "delete": (
                "DELETE",
                self.target,
                {"preconditions": self._some(dice, uid="<uid>", resourceVersion="<version>")},
            ),
            "get": ("GET", self.target, None),
            "list": ("GET", RRS, None),  # nobody lists Leases
        }[act]
        if act == "list":
            self.query = {"fieldSelector": f"spec.signalFingerprint={dice.choice((FINGERPRINT, OTHER_FINGERPRINT))}"}
            if dice.random() < 0.5:
                self.query["resourceVersion"] = "0"

    def request(self, body: str) -> ApiRequest:
        """Return the call with its body filled in."""
        content_type = MERGE_PATCH if self.method == "PATCH" else "application/json"
        sent = None if self.method == "GET" else body.encode()
        return ApiRequest(method=self.method, path=self.path, query=self.query, body=sent, content_type=content_type)

    def __repr__(self) -> str:
        return f"{self.method} {self.path} {self.query} {json.dumps(self.body)}"

    def _new(self, dice: random.Random, make: Any, name: str) -> Any:
        if make is remediation_request:
            return remediation_request(name, signalFingerprint=dice.choice((FINGERPRINT, OTHER_FINGERPRINT)))
        return lease(name, holderIdentity=dice.choice(("a", "b")))

    def _change(self, dice: random.Random, root: str, name: str) -> tuple[str, str, Any]:
        metadata = self._some(dice, resourceVersion=dice.choice(("<version>", "<version>", "1")))
        if root == RRS:
            return "PATCH", f"{self.target}/status", {"metadata": metadata, "status": self._status(dice)}
        metadata |= self._some(dice, uid=dice.choice(("<uid>", "<uid>", "other")))
        return "PUT", self.target, lease(name, meta=metadata, holderIdentity=dice.choice(("a", "b", "c")))

    def _status(self, dice: random.Random) -> Any:
        deduplication = {"occurrenceCount": dice.choice((1, 2)), "lastSeenAt": "2026-01-02T03:04:05Z"}
        return dice.choice(
            (
                {"overallPhase": dice.choice(("Pending", "Blocked", "Completed")), "message": "moved"},
                {"deduplication": deduplication},
                {"deduplication": {"lastSeenAt": None}},
                {"message": None},
            )
        )

    def _some(self, dice: random.Random, **fields: str) -> dict[str, str]:
        return {key: value for key, value in fields.items() if dice.random() < 0.6}


def simulated(clock: MockClock) -> Any:
    """The simulated API, as something to send calls to."""
    etcd = Etcd(now=clock.monotonic)
    api = Api(etcd=etcd, now=clock.monotonic, random=random.Random(0))
    replica = Replica()

    async def send(call: ApiRequest) -> ApiResponse:
        return api.handle(call, actor="test-0", replica=replica)

    return send


def embedded(clock: MockClock) -> Any:
    """The embedded API, likewise."""
    api = EmbeddedApi(clock=clock, namespaces=[NAMESPACE])

    async def send(call: ApiRequest) -> ApiResponse:
        return await deliver(api.app, call)

    return send


@pytest.mark.parametrize("seed", range(2))
async def test_random_calls_are_answered_as_the_embedded_api_answers_them(seed: int):
    clock, dice = MockClock(START), random.Random(seed)
    ours, theirs = Side(simulated(clock)), Side(embedded(clock))
    history: list[str] = []
    for _ in range(CALLS):
        planned = Planned(dice)
        answers = [await side.call(planned) for side in (ours, theirs)]
        history.append(f"{planned} -> {answers[1][0]}")
        assert answers[0] == answers[1], "\n".join(history[-8:])
        clock.advance(timedelta(seconds=dice.choice((0.0, 0.25, 2.0))))

"""Random calls on both servers at once: every answer of the embedded API must be the real one's.

What differs by nature (uids, resourceVersions, times) is replaced by the order in which it appeared.
"""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import pytest

from core.common.clock import RealClock
from core.local.embedded import EmbeddedApi, EmbeddedServer
from tests.contract.client import MERGE, Client, Real
from tests.contract.conftest import install_crd
from tests.contract.objects import lease, remediation_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.apiserver import KubeApiserver

NAMES = ("n-1", "n-2", "N_3")
CALLS = 150


class Side:
    """One server, what it has said so far, and the names under which the other server's calls refer to that."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self._namespace = namespace
        self._numbers: dict[str, dict[str, str]] = {"uid": {}, "resourceVersion": {}}
        self.last: dict[str, Any] = {}

    async def call(self, planned: Planned) -> tuple[int, Any]:
        path = planned.path.format(namespace=self._namespace)
        options: dict[str, Any] = {"content_type": planned.content_type, **planned.query}
        reply = await self.client.call(planned.method, path, self._resolved(planned), **options)
        if isinstance(reply.body, dict) and reply.status < 300 and "spec" in reply.body:
            self.last[planned.target] = reply.body
        return reply.status, self._comparable(reply.body)

    def _resolved(self, planned: Planned) -> Any:
        """Fill in this server's own uid and resourceVersion where the call wants the last ones seen."""
        seen = self.last.get(planned.target, {}).get("metadata", {})
        text = json.dumps(planned.body)
        text = text.replace('"<uid>"', json.dumps(seen.get("uid", "none")))
        text = text.replace('"<version>"', json.dumps(seen.get("resourceVersion", "999999999")))
        return json.loads(text)

    def _comparable(self, body: Any) -> Any:
        # The revision of a LIST depends on what else is written.
        self._learn(body["items"] if isinstance(body, dict) and "items" in body else body)
        text = json.dumps(body, sort_keys=True).replace(self._namespace, "NAMESPACE")
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", text)
        for uid, number in self._numbers["uid"].items():
            text = text.replace(uid, f"uid-{number}")
        for version, number in self._numbers["resourceVersion"].items():
            # Quoted or in parentheses: a bare 30 is a duration, not a resourceVersion.
            text = re.sub(rf'(?<=["(]){version}(?=[")])', f"version-{number}", text)
        return json.loads(text)

    def _learn(self, body: Any) -> None:
        if isinstance(body, dict):
            for key, value in body.items():
                if key in self._numbers and isinstance(value, str) and value not in ("", "1", "none"):
                    known = self._numbers[key]
                    known.setdefault(value, str(len(known)))
                self._learn(value)
        for item in body if isinstance(body, list) else ():
            self._learn(item)


class Planned:
    """One call, to be made on both."""

    def __init__(self, dice: random.Random) -> None:
        plural, root, make = dice.choice(
            [
                ("leases", "/apis/coordination.k8s.io/v1", lease),
                ("remediationrequests", "/apis/remediation.kubernaut.ai/v1alpha1", remediation_request),
            ]
        )
        name = dice.choice(NAMES)
        self.target = f"{plural}/{name}"
        self.query = {"fieldManager": dice.choice(("gateway", "orchestrator"))}
        self.content_type = "application/json"
        collection = f"{root}/namespaces/{{namespace}}/{plural}"
        metadata = self._metadata(dice)
        act = dice.choice(("create", "create", "update", "patch", "patch", "status", "delete", "get", "list"))
        self.method, self.path, self.body = {
            "create": ("POST", collection, make(name, meta=metadata)),
            "update": ("PUT", f"{collection}/{name}", make(name, meta=metadata, **self._spec(dice, plural))),
            "patch": ("PATCH", f"{collection}/{name}", {"metadata": metadata, "spec": self._spec(dice, plural)}),
            "status": ("PATCH", f"{collection}/{name}/status", {"metadata": metadata, "status": self._status(dice)}),
            "delete": ("DELETE", f"{collection}/{name}", {"preconditions": self._preconditions(dice)}),
            "get": ("GET", f"{collection}/{name}", None),
            "list": ("GET", collection, None),
        }[act]
        if self.method == "PATCH":
            self.content_type = MERGE
        if self.method == "GET":
            self.query = {}

    def __repr__(self) -> str:
        return f"{self.method} {self.path} {json.dumps(self.body)}"

    @staticmethod
    def _metadata(dice: random.Random) -> dict[str, Any]:
        metadata: dict[str, Any] = {}
        if dice.random() < 0.7:
            metadata["resourceVersion"] = dice.choice(("<version>", "<version>", "<version>", "1"))
        if dice.random() < 0.4:
            metadata["uid"] = dice.choice(("<uid>", "<uid>", "other"))
        if dice.random() < 0.3:
            metadata["labels"] = {"team": dice.choice(("a", "b", "not valid"))}
        if dice.random() < 0.15:
            metadata["finalizers"] = dice.choice((["test/wait"], [], ["test/other", "test/wait"]))
        return metadata

    @staticmethod
    def _spec(dice: random.Random, plural: str) -> dict[str, Any]:
        if plural == "leases":
            holder = dice.choice(("a", "b", "c"))
            return dice.choice(({"holderIdentity": holder}, {"leaseDurationSeconds": dice.choice((0, 30, 31))}, {}))
        return dice.choice(({}, {}, {"severity": "low"}, {"severity": ""}, {"color": "red"}))

    @staticmethod
    def _status(dice: random.Random) -> dict[str, Any]:
        return dice.choice(
            (
                {"overallPhase": dice.choice(("Pending", "Completed", "Nonsense"))},
                {"deduplication": {"occurrenceCount": dice.choice((1, 2, -1, "3"))}},
                {"deduplication": {"lastSeenAt": "2026-01-02T03:04:05Z"}, "note": "kept"},
                {"note": None},
            )
        )

    @staticmethod
    def _preconditions(dice: random.Random) -> dict[str, str]:
        chosen = {"uid": dice.choice(("<uid>", "<uid>", "other")), "resourceVersion": "<version>"}
        return {key: value for key, value in chosen.items() if dice.random() < 0.6}


@pytest.fixture
async def sides(kube_apiserver: KubeApiserver) -> AsyncIterator[tuple[Side, Side]]:
    """Both servers, each with the same new namespace."""
    namespace = f"same-{uuid4().hex[:10]}"
    api = EmbeddedApi(clock=RealClock(), namespaces=[namespace])
    async with EmbeddedServer(api) as url, aiohttp.ClientSession() as session:
        real = Real(kube_apiserver, session).admin
        await install_crd(real)
        assert (await real.post("/api/v1/namespaces", {"metadata": {"name": namespace}})).status == 201
        yield Side(Client(session, url, "", tls=True), namespace), Side(real, namespace)


@pytest.mark.real
@pytest.mark.parametrize("seed", range(6))
async def test_random_calls_are_answered_alike(sides: tuple[Side, Side], seed: int):
    embedded, real = sides
    dice = random.Random(seed)
    history: list[str] = []
    for _ in range(CALLS):
        planned = Planned(dice)
        answers = [await side.call(planned) for side in (embedded, real)]
        history.append(f"{planned} -> {answers[1][0]}")
        ours, theirs = (json.dumps(_without_order(answer), indent=1) for answer in answers)
        assert ours.splitlines() == theirs.splitlines(), "\n".join(history[-12:])


def _without_order(answer: tuple[int, Any]) -> tuple[int, Any]:
    """Several faults come in no order; managers in that of their times, which may fall on both sides of a second."""
    status, body = answer
    for item in body.get("items", [body]) if isinstance(body, dict) else ():
        item.get("metadata", {}).get("managedFields", []).sort(key=json.dumps)
    if isinstance(body, dict) and body.get("reason") == "Invalid":
        causes = body.get("details", {}).get("causes", [])
        causes.sort(key=json.dumps)
        body["message"] = sorted(body["message"])
    if isinstance(body, dict) and str(body.get("kind", "")).endswith("List"):
        body["metadata"]["resourceVersion"] = "ANY"
    return status, body

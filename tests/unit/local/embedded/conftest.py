from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

import pytest

from core.common.clock import MockClock
from core.local.embedded import Answer, Call, EmbeddedApi

START = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
RRS = "/apis/remediation.kubernaut.ai/v1alpha1/namespaces/default/remediationrequests"
MERGE = "application/merge-patch+json"
FINGERPRINT = "a" * 64


@dataclass
class Caller:
    """Calls the API as a function; answers are decoded."""

    api: EmbeddedApi
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        headers = self.headers | ({"content-type": MERGE} if method == "PATCH" else {})
        raw = b"" if body is None else json.dumps(body).encode()
        return self.api.handle(Call(method=method, path=path, query=query, headers=headers, body=raw))

    def call(self, method: str, path: str, body: Any = None, *, expect: int = 200, **query: str) -> Any:
        answer = self.answer(method, path, body, **query)
        assert answer.status == expect, answer.body
        return json.loads(answer.body)

    def lease(self, name: str) -> Any:
        return self.call("POST", LEASES, {"metadata": {"name": name}}, expect=201)

    def remediation_request(self, name: str, **spec: Any) -> Any:
        return self.call("POST", RRS, remediation_request(name, **spec), expect=201)

    def names(self, path: str, **query: Any) -> list[str]:
        return [item["metadata"]["name"] for item in self.call("GET", path, **query)["items"]]


def remediation_request(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "remediation.kubernaut.ai/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {"name": name},
        "spec": {
            "signalFingerprint": FINGERPRINT,
            "signalName": "HighMemoryUsage",
            "severity": "critical",
            "signalType": "prometheus-alert",
            "targetType": "kubernetes",
            "targetResource": {"kind": "Pod", "name": "web"},
            "firingTime": "2026-01-02T03:04:05Z",
            "receivedTime": "2026-01-02T03:04:05Z",
            **spec,
        },
    }


@pytest.fixture
def clock() -> MockClock:
    return MockClock(START)


@pytest.fixture
def api(clock: MockClock) -> EmbeddedApi:
    """An API whose every answer is the same each time the test runs."""
    numbers = count(1)
    return EmbeddedApi(clock=clock, new_uid=lambda: f"uid-{next(numbers)}", random=Random(1))


@pytest.fixture
def caller(api: EmbeddedApi) -> Caller:
    return Caller(api)

"""Posts real Alertmanager webhooks to the function, and holds every answer to its code."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp


@dataclass
class Poster:
    """Sends webhooks to one function, and remembers how many signals of each workload it acknowledged."""

    session: aiohttp.ClientSession
    url: str
    sent: Counter[str] = field(default_factory=Counter)

    async def new(self, *workloads: str) -> None:
        """Send alerts on workloads that were never seen."""
        await self._post(workloads, 201)

    async def repeat(self, workload: str) -> None:
        """Send an alert again."""
        await self._post([workload], 202)

    async def _post(self, workloads: Sequence[str], expected: int) -> None:
        headers = {"Content-Type": "application/json"}
        async with self.session.post(self.url, data=webhook(workloads), headers=headers) as response:
            answer = await response.json()
            assert response.status == expected, answer
            assert len(answer["results"]) == len(workloads)
            self.sent.update(workloads)


def webhook(workloads: Sequence[str]) -> bytes:
    """A version 4 webhook with one alert for each workload."""
    alerts: list[dict[str, Any]] = [
        {
            "status": "firing",
            "labels": {"alertname": "NodeDown", "severity": "critical", "namespace": "prod", "pod": workload},
            "annotations": {"summary": "the pod does not answer", "runbook_url": "https://runbooks.example/pod"},
            "startsAt": "2026-01-02T03:04:05.123456789Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example/graph?g0.expr=up",
            "fingerprint": "0123456789abcdef",
        }
        for workload in workloads
    ]
    return json.dumps(
        {
            "version": "4",
            "groupKey": '{}:{alertname="NodeDown"}',
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "sluice",
            "groupLabels": {"alertname": "NodeDown"},
            "commonLabels": {"alertname": "NodeDown", "severity": "critical"},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example",
            "alerts": alerts,
        }
    ).encode()

"""Ends RRs as the orchestrator does, and clears away those that ended a while ago."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    import aiohttp

_ENDED = ("Completed", "Failed", "TimedOut", "Skipped")
KEPT_SECONDS = 90.0
"""How long an ended RR is kept: far longer than any request to the function can last."""


class Orchestrator:
    """Works on the API server directly, not through the faults.

    Args:
        session: with the admin's credentials and the server as its base.
        path: of the namespace's RemediationRequests.
        random: which RR ends next.
    """

    def __init__(self, session: aiohttp.ClientSession, path: str, *, random: random.Random) -> None:
        self._session = session
        self._path = path
        self._random = random
        self._ended: dict[str, float] = {}
        self.cleared: Counter[str] = Counter()
        """Occurrences counted on RRs that are gone, by fingerprint."""
        self.cleared_rrs = 0

    async def run(self) -> None:
        """End a few RRs every other second until cancelled."""
        while True:
            await asyncio.sleep(2)
            rrs = await self.rrs()
            active = [each for each in rrs if each.get("status", {}).get("overallPhase") not in _ENDED]
            for rr in self._random.sample(active, k=len(active) // 10):
                await self._end(rr)
            for rr in rrs:
                await self._clear(rr)

    async def rrs(self) -> list[dict[str, Any]]:
        """All RRs there are."""
        async with self._session.get(self._path, params={"resourceVersion": "0"}) as response:
            assert response.status == 200, await response.text()
            items: list[dict[str, Any]] = (await response.json())["items"]
            return items

    async def _end(self, rr: dict[str, Any]) -> None:
        name = rr["metadata"]["name"]
        body = {"status": {"overallPhase": self._random.choice(_ENDED[:3])}}
        headers = {"Content-Type": "application/merge-patch+json"}
        async with self._session.patch(f"{self._path}/{name}/status", json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
        self._ended[name] = time.monotonic()

    async def _clear(self, rr: dict[str, Any]) -> None:
        """Delete what ended long ago, and keep its count: nothing counts on an ended RR any more."""
        name = rr["metadata"]["name"]
        if time.monotonic() - self._ended.get(name, time.monotonic()) < KEPT_SECONDS:
            return
        del self._ended[name]
        async with self._session.get(f"{self._path}/{name}") as response:
            last = await response.json()
        self.cleared[last["spec"]["signalFingerprint"]] += occurrences(last)
        async with self._session.delete(f"{self._path}/{name}") as response:
            assert response.status == 200, await response.text()
        self.cleared_rrs += 1


def occurrences(rr: Mapping[str, Any]) -> int:
    """What an RR counts; one without a count stands for the signal that made it."""
    count: int = rr.get("status", {}).get("deduplication", {}).get("occurrenceCount", 1)
    return count

"""Breaks a small share of the calls to the API server, and all of them for a moment now and then."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.support.faulty_app import Fault

if TYPE_CHECKING:
    import random


SHARE = 0.02
"""Of calls that are broken in one way or another."""

OUTAGE_EVERY, OUTAGE_SECONDS = 120.0, 2.0


class FaultSource:
    """Draws the fault of each call; during an outage every one has the same."""

    def __init__(self, random: random.Random, *, share: float = SHARE) -> None:
        self._random = random
        self._share = share
        self._outage = False
        self.injected: Counter[str] = Counter()

    def __call__(self, call: str) -> Fault | None:
        """Return what happens to the next call, or None."""
        if self._outage:
            kind = "outage"
        elif self._random.random() < self._share:
            kind = self._random.choice(sorted(self.kinds))
        else:
            return None
        self.injected[kind] += 1
        return Fault(call=call, **self._kinds[kind])

    @property
    def kinds(self) -> set[str]:
        """Names of the faults that single calls meet."""
        return self._kinds.keys() - {"outage"}

    def stop(self) -> None:
        """Break nothing any more."""
        self._share, self._outage = 0.0, False

    async def run_outages(self) -> None:
        """Begin and end outages until cancelled."""
        while True:
            await asyncio.sleep(OUTAGE_EVERY - OUTAGE_SECONDS)
            self._outage = True
            await asyncio.sleep(OUTAGE_SECONDS)
            self._outage = False

    @property
    def _kinds(self) -> dict[str, dict[str, Any]]:
        return {
            "429": {"status": 429, "headers": {"Retry-After": "1"}},
            "500": {"status": 500},
            "503": {"status": 503},
            "504": {"status": 504},
            "dropped before": {"drop": True},
            "answer lost": {"lose_answer": True},
            "delayed": {"before": self._delay},
            "outage": {"drop": True},
        }

    async def _delay(self) -> None:
        await asyncio.sleep(self._random.uniform(0.1, 1.5))

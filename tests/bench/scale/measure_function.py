"""Measures what a signal costs the function and the API server, under load and from a cold start."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

from tests.bench.api_calls import count_calls
from tests.bench.scale.api import run_all
from tests.bench.scale.calibration import Load
from tests.bench.scale.processes import CpuMeter, resident_megabytes
from tests.e2e.function import FunctionProcess, alert, webhook
from tests.support.http import send_json

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import aiohttp

    from tests.apiserver import KubeApiserver


class FunctionMeasurement:
    """Loads on one function process; the second one shares a load, to see what that costs."""

    def __init__(
        self, server: KubeApiserver, function: FunctionProcess, second: FunctionProcess, session: aiohttp.ClientSession
    ) -> None:
        assert server.pid is not None
        self._server = server
        self._pids = (server.pid, *function.workers(1), *second.workers(1))
        self._urls = (function.url, second.url)
        self._session = session
        self._fresh = count()
        self._known: list[str] = []

    async def loads(self, *, signals: int) -> dict[str, Load]:
        """Run all of them, about `signals` signals each."""
        await self._post(self._new(20))  # imports and connections that only the first request pays
        known = self._new(50)
        await self._post(known)
        await self._post(known, instance=1)
        await self._post(known)  # else the first repeat of each would be stale
        storm = known[:1]
        return {
            "new": await self._load(lambda _: self._new(1), posts=signals, size=1, in_flight=16),
            "repeat": await self._load(lambda index: [known[index % 50]], posts=2 * signals, size=1, in_flight=50),
            "repeat, two instances in turn": await self._load(
                lambda index: [known[index % 50]],
                posts=2 * signals,
                size=1,
                in_flight=25,  # never two of one fingerprint at the same time
                instance=lambda index: index // 50 % 2,
            ),
            "one fingerprint": await self._load(lambda _: storm, posts=2 * signals, size=1, in_flight=16),
            "webhooks of 20 new": await self._load(lambda _: self._new(20), posts=signals // 20, size=20, in_flight=4),
            "webhooks of 20 repeats": await self._load(
                lambda index: [known[(index * 7 + each) % 50] for each in range(20)],
                posts=signals // 10,
                size=20,
                in_flight=4,
            ),
            "mixed: webhooks of 5, 1 new": await self._load(
                lambda index: self._new(1) + [known[(index * 7 + each) % 50] for each in range(4)],
                posts=signals // 3,
                size=5,
                in_flight=8,
            ),
        }

    async def _load(
        self,
        pods: Callable[[int], Sequence[str]],
        *,
        posts: int,
        size: int,
        in_flight: int,
        instance: Callable[[int], int] = lambda _: 0,
    ) -> Load:
        before = count_calls(self._server)
        with CpuMeter(*self._pids) as meter:
            await run_all(
                lambda index: self._post(pods(index), instance=instance(index)), number=posts, in_flight=in_flight
            )
        made: Counter[str] = count_calls(self._server) - before
        signals = posts * size
        server_cpu, function_cpu = meter.cpu[0], sum(meter.cpu[1:])
        return Load(
            signals=signals,
            server_ms=server_cpu / signals * 1000,
            function_ms=function_cpu / signals * 1000,
            per_second=signals / meter.seconds,
            calls={kind: number / signals for kind, number in sorted(made.items())},
        )

    def _new(self, number: int) -> list[str]:
        return [f"pod-{next(self._fresh)}" for _ in range(number)]

    async def _post(self, pods: Sequence[str], *, instance: int = 0) -> None:
        body = webhook(*(alert(pod) for pod in pods))
        async with self._session.post(self._urls[instance], json=body) as response:
            answer = await response.json()
            assert response.status in (201, 202), answer
            assert len(answer["results"]) == len(pods)


def cold_start(process: Callable[[], AbstractContextManager[FunctionProcess]], *, pod: str) -> tuple[float, float]:
    """Seconds from the start of the process to its first 201, and megabytes after it."""
    started = time.perf_counter()
    with process() as function:
        answer = send_json("POST", function.url, webhook(alert(pod)))
        seconds = time.perf_counter() - started
        assert answer.status == 201, answer.body
        (worker,) = function.workers(1)
        return seconds, resident_megabytes(worker)

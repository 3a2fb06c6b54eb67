"""The function under load, seats of our priority level: what the model needs beside bare calls, measured."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

import yaml

from tests.bench.api_calls import count_calls
from tests.bench.scale.bare_calls import CpuMeter, metrics, run_all
from tests.bench.scale.costs import Load
from tests.bench.scale.manifests import FLOW_CONTROL
from tests.e2e.function import FunctionProcess, alert, webhook
from tests.support.http import send_json
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import aiohttp

    from tests.apiserver import KubeApiserver

_FLOW_CONTROL = "/apis/flowcontrol.apiserver.k8s.io/v1"
_LIMIT = "apiserver_flowcontrol_nominal_limit_seats"
_SEATS = "apiserver_flowcontrol_work_estimated_seats"


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
        return Load(
            signals=signals,
            server_ms=meter.cpu[0] / signals * 1000,
            function_ms=sum(meter.cpu[1:]) / signals * 1000,
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


def cold_start(process: Callable[[], AbstractContextManager[FunctionProcess]], *, pod: str) -> float:
    """Seconds from the start of the process to its first 201."""
    started = time.perf_counter()
    with process() as function:
        answer = send_json("POST", function.url, webhook(alert(pod)))
        seconds = time.perf_counter() - started
        assert answer.status == 201, answer.body
        return seconds


def apply_flow_control(server: KubeApiserver, *, namespace: str) -> None:
    """Apply knative/cluster/flow-control.yaml for the gateway's account of a namespace, and wait until it holds."""
    for document in yaml.safe_load_all(FLOW_CONTROL.read_text()):
        if document["kind"] == "FlowSchema":
            document["spec"]["rules"][0]["subjects"][0]["serviceAccount"]["namespace"] = namespace
            kind = "flowschemas"
        else:
            kind = "prioritylevelconfigurations"
        answer = server.request("POST", f"{_FLOW_CONTROL}/{kind}", document)
        assert answer.status == 201, answer.body
    wait_for(lambda: nominal_seats(server), what="the priority level to hold", within=30)


def nominal_seats(server: KubeApiserver) -> float:
    """Seats of our level, 0 while it is not there."""
    return sum(value for name, value in _of_our_level(server, _LIMIT) if name == _LIMIT)


class SeatMeter:
    """Mean seats of the calls of our level between two looks."""

    def __init__(self, server: KubeApiserver) -> None:
        self._server = server
        self._before = self._totals()

    def mean(self) -> float:
        """Seats of an average call since the start; fails where there was none."""
        (count, seats), (earlier, less) = self._totals(), self._before
        assert count > earlier, "no call came through our priority level"
        return (seats - less) / (count - earlier)

    def _totals(self) -> tuple[float, float]:
        values = _of_our_level(self._server, _SEATS)
        count, seats = (sum(value for name, value in values if name.endswith(end)) for end in ("_count", "_sum"))
        return count, seats


def _of_our_level(server: KubeApiserver, metric: str) -> list[tuple[str, float]]:
    samples = (sample for family in metrics(server, metric) for sample in family.samples)
    return [(each.name, each.value) for each in samples if each.labels.get("priority_level") == "sluice"]

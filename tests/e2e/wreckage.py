"""Kills and stops instances at every boundary, all in one stretch of time: a dead one's Lease lasts 31 s."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from tests.e2e.boundaries import (
    BOUNDARIES,
    CREATE,
    LIST,
    LOCK,
    NEW,
    PATCH,
    REPEAT,
    Boundary,
    Stage,
    counted,
)
from tests.e2e.function import PATIENT
from tests.e2e.processes import NO_ANSWER, Instance, sender_session, start_instance
from tests.support.api_proxy import open_api_proxy
from tests.support.cluster import SENDER, SENDER_RULES, Cluster
from tests.support.waiting import HANGS_AFTER, eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    import aiohttp

    from tests.apiserver import KubeApiserver

STORED_WITHIN = HANGS_AFTER  # 32 seconds on an idle core where a dead one's Lease is in the way
STOPPED_SECONDS = 33.0  # longer than a Lease
RETRY_EVERY = 0.5
_VICTIMS = 3  # to be killed one after the other; a stopped one is out of work for the whole time
_TIMES = ("before the server has it", "before the answer arrives")


@dataclass(kw_only=True)
class Case:
    """What was done to one instance at one boundary, and what came of it."""

    boundary: Boundary
    when: str
    stopped: bool = False
    pod: str
    reached: bool = False
    sent: int = 0
    acknowledged: int = 0
    answers: list[int] = field(default_factory=list)
    """To the retries, the last one is the first that succeeded."""
    late_answer: int = NO_ANSWER
    """Of the instance itself."""
    active: int = 0
    counted: int = 0
    next_generation: int = 0
    """Active RRs after the first ended and the alert came again."""
    generations: int = 0

    def __str__(self) -> str:
        return f"{self.boundary}, {self.when}"


def kill_cases() -> list[Case]:
    """Each boundary, on either side of the server's work."""
    return _numbered("killed", [(boundary, when) for boundary in BOUNDARIES for when in _TIMES])


def stop_cases() -> list[Case]:
    """Those in which what the instance believes is old when it goes on."""
    held, answered = _TIMES
    chosen = (
        (NEW, LIST, answered),
        (NEW, LOCK, answered),
        (NEW, CREATE, held),
        (NEW, CREATE, answered),
        (REPEAT, PATCH, held),
    )
    cases = _numbered("stopped", [(Boundary(state=state, call=call), when) for state, call, when in chosen])
    for case in cases:
        case.stopped = True
    return cases


def _numbered(word: str, chosen: list[tuple[Boundary, str]]) -> list[Case]:
    return [Case(boundary=boundary, when=when, pod=f"{word}{number}") for number, (boundary, when) in enumerate(chosen)]


class Wreckage:
    """Runs cases on one namespace. `folder` is an empty one."""

    def __init__(self, server: KubeApiserver, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._cluster = Cluster(server)
        self._sender = self._cluster.add_account(SENDER, SENDER_RULES)
        self._stage = Stage(self._cluster)
        self._witness: Instance
        self._session: aiohttp.ClientSession
        self.calls: set[str] = set()
        """All that the victims called, by name."""

    async def run(self, killed: list[Case], stopped: list[Case]) -> list[object]:
        """Work through all cases; return the Leases that are still held."""
        async with AsyncExitStack() as parts:
            self._session = await parts.enter_async_context(sender_session(self._sender))
            self._witness, *instances = await asyncio.gather(
                self._start("witness", parts, proxied=False),
                *(self._start(f"victim-{number}", parts, settings=PATIENT) for number in range(_VICTIMS)),
                *(self._start(case.pod, parts) for case in stopped),
            )
            victims, stopped_ones = instances[:_VICTIMS], instances[_VICTIMS:]
            await asyncio.gather(*map(self._prepare, killed + stopped))
            async with asyncio.TaskGroup() as group:
                for instance, case in zip(stopped_ones, stopped, strict=True):
                    group.create_task(self._stop(instance, case))
                for number, victim in enumerate(victims):
                    group.create_task(self._kill_all(victim, killed[number::_VICTIMS], group))
            for instance in instances:
                self.calls.update(instance.faults.calls)
        return self._cluster.held_leases()

    async def _start(
        self,
        name: str,
        parts: AsyncExitStack,
        *,
        proxied: bool = True,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Instance:
        proxy = await parts.enter_async_context(open_api_proxy(self._server)) if proxied else None
        folder = self._folder / name
        await asyncio.to_thread(folder.mkdir)
        config = folder / "kubeconfig"
        writer = proxy.write_kubeconfig if proxy else self._server.write_kubeconfig
        writer(config, token=self._cluster.token, namespace=self._cluster.namespace)
        environment = {**settings, "KUBECONFIG": str(config), "SLUICE_NAMESPACE": self._cluster.namespace}
        instance = await start_instance(folder, environment, self._session, proxy)
        parts.callback(instance.function.kill)
        return instance

    async def _prepare(self, case: Case) -> None:
        await self._stage.prepare(case.pod, case.boundary.state, store=lambda pod: self._store(case))

    async def _kill_all(self, victim: Instance, cases: list[Case], group: asyncio.TaskGroup) -> None:
        for case in cases:
            await self._kill(victim, case)
            group.create_task(self._aftermath(case))

    async def _kill(self, victim: Instance, case: Case) -> None:
        worker = victim.worker()

        async def kill() -> None:
            os.kill(worker, signal.SIGKILL)
            case.reached = True

        self._arm(victim, case, kill)
        case.sent += 1
        case.late_answer = await victim.post(case.pod)
        assert case.reached, f"{case}: answered {case.late_answer} without this call"
        # gunicorn's master puts another worker in its place.
        await eventually(lambda: _has_other_worker(victim, worker), what="another worker", within=15)

    def _arm(self, victim: Instance, case: Case, hook: Callable[[], Awaitable[object]]) -> None:
        faults = victim.faults
        self._stage.disturb(case.pod, case.boundary.state, faults)
        if case.when == _TIMES[0]:
            faults.on(case.boundary.call, before=hook, drop=True)
        else:
            faults.on(case.boundary.call, after=hook, lose_answer=True)

    async def _stop(self, victim: Instance, case: Case) -> None:
        stopped, resumed = asyncio.Event(), asyncio.Event()

        async def stop() -> None:
            victim.signal_worker(signal.SIGSTOP)
            stopped.set()
            if case.when == _TIMES[0]:
                await resumed.wait()

        victim.faults.on(case.boundary.call, before=stop)
        post = await self._post_until(stopped, victim, case)
        began = time.monotonic()
        await self._store(case)
        if case.boundary.state == REPEAT:  # the late PATCH is to find that its RR has ended
            self._stage.end(case.pod)
            await self._store(case)
        await asyncio.sleep(began + STOPPED_SECONDS - time.monotonic())
        victim.signal_worker(signal.SIGCONT)
        resumed.set()
        case.late_answer = await post
        case.acknowledged += 200 <= case.late_answer < 300
        await self._aftermath(case)

    async def _post_until(self, stopped: asyncio.Event, victim: Instance, case: Case) -> asyncio.Task[int]:
        """Send until the instance has stopped in the middle of it: on a busy machine its time may end before."""
        deadline = time.monotonic() + HANGS_AFTER
        stop = asyncio.create_task(stopped.wait())
        while True:
            case.sent += 1
            post = asyncio.create_task(victim.post(case.pod))
            await asyncio.wait({stop, post}, return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                case.reached = True
                return post
            assert post.result() == 503, f"{case}: answered {post.result()} without this call"
            assert time.monotonic() < deadline, f"{case} is not reached after {HANGS_AFTER:g} s"

    async def _aftermath(self, case: Case) -> None:
        """The sender tries again; then the RR ends and the alert comes once more."""
        await self._store(case)
        case.active = len(self._stage.active(case.pod))
        case.counted = counted(self._stage.rrs(case.pod))
        sent, acknowledged = case.sent, case.acknowledged
        self._stage.end(case.pod)
        await self._store(case)
        case.next_generation = len(self._stage.active(case.pod))
        case.generations = len(self._stage.rrs(case.pod))
        case.sent, case.acknowledged = sent, acknowledged

    async def _store(self, case: Case) -> None:
        """Send to the healthy instance until it has stored the alert, as a sender does."""
        deadline = time.monotonic() + STORED_WITHIN
        while True:
            case.sent += 1
            case.answers.append(await self._witness.post(case.pod))
            if case.answers[-1] in (201, 202):
                case.acknowledged += 1
                return
            assert time.monotonic() < deadline, f"{case} is not stored after {STORED_WITHIN:g} s: {case.answers}"
            await asyncio.sleep(RETRY_EVERY)


async def _has_other_worker(victim: Instance, worker: int) -> bool:
    return victim.worker() != worker

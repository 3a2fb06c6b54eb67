"""The slices of one case, ours and the floor's in turn."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.bench.gateway import posted
from tests.bench.measuring import API_SERVER, BARE_CLIENT, FUNCTION, LOAD, Measured, measure
from tests.bench.vegeta import attack
from tests.bench.workloads import new, operations

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from tests.apiserver import KubeApiserver
    from tests.bench.floors import Floors
    from tests.bench.load import Slice
    from tests.bench.namespace import Namespace
    from tests.bench.workloads import Webhooks, Workload

_WARM_UP, _WARM_UP_IN_FLIGHT = 60, 20
_STORED = (201, 202)


@dataclass(kw_only=True)
class CaseRun:
    """One function and the bare clients beside it, on one namespace."""

    workload: Workload
    server: KubeApiserver
    namespace: Namespace
    floors: Floors
    url: str
    pid: int
    vegeta: Path
    folder: Path
    sent: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def pairs(self, most: int, *, seconds: float) -> tuple[list[Measured], list[Measured]]:
        """Measure slices of each side, none after `seconds`; the side that begins changes from pair to pair."""
        self._prepare()
        until = time.monotonic() + seconds
        ours: list[Measured] = []
        floor: list[Measured] = []
        for turn in range(min(most, self.workload.most_pairs)):
            for side in (ours, floor) if turn % 2 == 0 else (floor, ours):
                side.append(self._ours() if side is ours else self._floor())
            self.namespace.check(sent=self.sent, refused=self.refused)
            if not self.workload.known:
                self._empty()  # so that the namespace keeps its size
            if time.monotonic() > until:
                break
        self._empty()
        return ours, floor

    def _prepare(self) -> None:
        """Create what the repeats repeat, and let both sides open connections and fill memory."""
        known = tuple((target,) for target in self.workload.known)
        warm_up = known + new(webhooks=max(0, _WARM_UP - len(known)))
        self._send(warm_up, in_flight=_WARM_UP_IN_FLIGHT, expected=_STORED)
        self._call(warm_up, known=(), in_flight=_WARM_UP_IN_FLIGHT)
        if known:
            again = self.workload.draw()[:_WARM_UP]
            self._send(again, in_flight=self.workload.in_flight, expected=_STORED)
            self._call(again, known=self.workload.known, in_flight=self.workload.floor_in_flight)

    def _ours(self) -> Measured:
        webhooks, workload = self.workload.draw(), self.workload
        run = partial(self._send, webhooks, in_flight=workload.in_flight, expected=workload.answers)
        processes = {API_SERVER: self._server_pids(), FUNCTION: [self.pid]}
        return measure(run, server=self.server, processes=processes, children=LOAD)

    def _floor(self) -> Measured:
        workload = self.workload
        run = partial(self._call, workload.draw(), known=workload.known, in_flight=workload.floor_in_flight)
        processes = {API_SERVER: self._server_pids(), BARE_CLIENT: self.floors.pids}
        return measure(run, server=self.server, processes=processes)

    def _send(self, webhooks: Webhooks, *, in_flight: int, expected: Collection[int]) -> Slice:
        requests = [posted(targets) for targets in webhooks]
        made = attack(self.vegeta, self.url, requests, in_flight=in_flight, expected=expected, folder=self.folder)
        for place, targets in enumerate(webhooks):
            (self.refused if place in made.refused else self.sent).update(targets)
        return made.slice

    def _call(self, webhooks: Webhooks, *, known: tuple[str, ...], in_flight: int) -> Slice:
        return self.floors.run(operations(webhooks, known=known), in_flight=in_flight)

    def _server_pids(self) -> list[int]:
        assert self.server.pid is not None, "kube-apiserver ended"
        return [self.server.pid]

    def _empty(self) -> None:
        self.namespace.empty()
        self.sent.clear()
        self.refused.clear()

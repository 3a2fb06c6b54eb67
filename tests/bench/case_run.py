"""The slices of one case: ours, the floor's and, where there is one, another gateway's, in turn."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.bench.gateway import posted
from tests.bench.measuring import API_SERVER, BARE_CLIENT, FUNCTION, LOAD, Measured, measure
from tests.bench.other_gateway import ANSWERS
from tests.bench.owned_pods import make_owned_pods
from tests.bench.vegeta import attack
from tests.bench.workloads import new, operations

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from tests.apiserver import KubeApiserver
    from tests.bench.floors import Floors
    from tests.bench.load import Slice
    from tests.bench.namespace import Namespace
    from tests.bench.other_gateway import OtherGateway
    from tests.bench.workloads import Webhooks, Workload

_WARM_UP, _WARM_UP_IN_FLIGHT = 60, 20
_STORED = (201, 202)


@dataclass(kw_only=True)
class Slices:
    """What was measured of each side; `doubles` is RRs of the other gateway beyond one for each target."""

    ours: list[Measured] = field(default_factory=list)
    floor: list[Measured] = field(default_factory=list)
    other: list[Measured] = field(default_factory=list)
    doubles: int = 0

    def count_doubles(self, found: int) -> None:
        """Keep the most that were there at once: those of repeats stay from turn to turn."""
        self.doubles = max(self.doubles, found)


@dataclass(kw_only=True)
class CaseRun:
    """One function and the bare clients beside it, on one namespace; `token` is the sender's."""

    workload: Workload
    server: KubeApiserver
    namespace: Namespace
    floors: Floors
    url: str
    pid: int
    vegeta: Path
    folder: Path
    pods: set[str]
    """Those that exist: the cases before this one may have made some."""
    token: str = ""
    other: OtherGateway | None = None
    sent: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    targets_of_other: set[str] = field(default_factory=set)

    def slices(self, most: int, *, seconds: float) -> Slices:
        """Measure slices of each side, none after `seconds`; the side that begins changes from turn to turn."""
        self._prepare()
        until = time.monotonic() + seconds
        found = Slices()
        for turn in range(min(most, self.workload.most_pairs)):
            sides = [(found.ours, self._ours), (found.floor, self._floor)]
            if self.other:
                sides.append((found.other, partial(self._other, self.other)))
            for measured, run in sides if turn % 2 == 0 else reversed(sides):
                measured.append(run())
            self.namespace.check(sent=self.sent, refused=self.refused)
            found.count_doubles(self._doubles_of_other())
            if not self.workload.known:
                self._empty()  # so that the namespace keeps its size
            if time.monotonic() > until:
                break
        self._empty()
        return found

    def _prepare(self) -> None:
        """Create what the repeats repeat, and let both sides open connections and fill memory."""
        known = tuple((target,) for target in self.workload.known)
        warm_up = known + new(webhooks=max(0, _WARM_UP - len(known)))
        self._make_pods(known)
        self._send(warm_up, in_flight=_WARM_UP_IN_FLIGHT, expected=_STORED)
        self._call(warm_up, known=(), in_flight=_WARM_UP_IN_FLIGHT)
        if self.other:
            self._send_other(self.other, warm_up, in_flight=_WARM_UP_IN_FLIGHT)
        if known:
            again = self.workload.draw()[:_WARM_UP]
            self._send(again, in_flight=self.workload.in_flight, expected=_STORED)
            self._call(again, known=self.workload.known, in_flight=self.workload.floor_in_flight)

    def _ours(self) -> Measured:
        webhooks, workload = self._drawn(), self.workload
        run = partial(self._send, webhooks, in_flight=workload.in_flight, expected=workload.answers)
        processes = {API_SERVER: self._server_pids(), FUNCTION: [self.pid]}
        return measure(run, server=self.server, processes=processes, children=LOAD)

    def _floor(self) -> Measured:
        workload = self.workload
        run = partial(self._call, self.workload.draw(), known=workload.known, in_flight=workload.floor_in_flight)
        processes = {API_SERVER: self._server_pids(), BARE_CLIENT: self.floors.pids}
        return measure(run, server=self.server, processes=processes)

    def _other(self, other: OtherGateway) -> Measured:
        run = partial(self._send_other, other, self._drawn(), in_flight=self.workload.in_flight)
        return measure(run, server=self.server, processes={API_SERVER: self._server_pids()}, children=LOAD)

    def _drawn(self) -> Webhooks:
        """The webhooks of a slice, whose targets exist where the function looks them up."""
        webhooks = self.workload.draw()
        self._make_pods(webhooks)
        return webhooks

    def _make_pods(self, webhooks: Webhooks) -> None:
        if self.workload.defaults:
            missing = {target for targets in webhooks for target in targets} - self.pods
            make_owned_pods(self.server, sorted(missing))
            self.pods |= missing

    def _send(self, webhooks: Webhooks, *, in_flight: int, expected: Collection[int]) -> Slice:
        requests = [posted(targets, token=self.token) for targets in webhooks]
        made = attack(self.vegeta, self.url, requests, in_flight=in_flight, expected=expected, folder=self.folder)
        for index, targets in enumerate(webhooks):
            (self.refused if index in made.refused else self.sent).update(targets)
        return made.slice

    def _send_other(self, other: OtherGateway, webhooks: Webhooks, *, in_flight: int) -> Slice:
        requests = [other.request(targets) for targets in webhooks]
        self.targets_of_other |= {target for targets in webhooks for target in targets}
        return attack(self.vegeta, other.url, requests, in_flight=in_flight, expected=ANSWERS, folder=self.folder).slice

    def _doubles_of_other(self) -> int:
        return self.other.count(self.server) - len(self.targets_of_other) if self.other else 0

    def _call(self, webhooks: Webhooks, *, known: tuple[str, ...], in_flight: int) -> Slice:
        return self.floors.run(operations(webhooks, known=known), in_flight=in_flight)

    def _server_pids(self) -> list[int]:
        assert self.server.pid is not None, "kube-apiserver ended"
        return [self.server.pid]

    def _empty(self) -> None:
        self.namespace.empty()
        if self.other:
            self.other.empty(self.server)
            self.targets_of_other.clear()
        self.sent.clear()
        self.refused.clear()

"""Two real Alertmanagers, a pair that sends everything twice, and three functions behind one Service."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.e2e.alertmanager import Alertmanager
from tests.e2e.counting import acknowledged, fingerprint, fired, pod, stored
from tests.e2e.function import FunctionProcess
from tests.e2e.recorder import Recorder
from tests.support.cluster import SENDER, SENDER_RULES, Cluster
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.apiserver import KubeApiserver
    from tests.e2e.recorder import Delivery

    Labels = dict[str, str]
    Kubeconfig = Callable[[int, Path, str, str], Path]

FUNCTIONS = 3
ALERTS = 8  # of one kind of fault
STORED_WITHIN = 75.0  # seconds; the circuit breaker stays open for 30 of them
_ROUTE = {"group_by": ["alertname"], "group_wait": "50ms", "group_interval": "300ms", "repeat_interval": "100ms"}
_PATCHES = 5
"""Times that one delivery is counted at most, where each answer to its PATCH but the last is lost."""


class Storm:
    """A context manager: inside it all run; alerts fire with `fire` and come again until `calm`.

    Args:
        server: what the functions write to.
        folder: an empty one.
        kubeconfig: writes the one of function number n: number, path, token, namespace.
    """

    def __init__(self, server: KubeApiserver, folder: Path, *, kubeconfig: Kubeconfig) -> None:
        self.cluster = Cluster(server)
        self.recorder = Recorder()
        self._folder = folder
        self._kubeconfig = kubeconfig
        self._parts = ExitStack()
        self._alertmanagers: list[Alertmanager] = []

    def __enter__(self) -> Self:
        with ExitStack() as parts:
            token = self.cluster.add_account(SENDER, SENDER_RULES)
            self.functions = [self._function(number) for number in range(FUNCTIONS)]
            for function in self.functions:
                parts.callback(function.kill)
            with ThreadPoolExecutor() as starting:
                list(starting.map(FunctionProcess.start, self.functions))
            for function in self.functions:
                function.wait_until_ready()
            parts.enter_context(self.recorder)
            self.recorder.targets = [function.url for function in self.functions]
            for name in ("one", "other"):
                alertmanager = self._alertmanager(name, token)
                self._alertmanagers.append(parts.enter_context(alertmanager))
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def fire(self, kind: str) -> list[Labels]:
        """Report alerts of a kind to both Alertmanagers; they are one group."""
        alerts = [pod(f"{kind}-{number}", alertname=kind) for number in range(ALERTS)]
        for alertmanager in self._alertmanagers:
            alertmanager.fire(*alerts)
        return alerts

    def calm(self, alerts: Sequence[Labels]) -> None:
        """Report that they are over."""
        for alertmanager in self._alertmanagers:
            alertmanager.resolve(*alerts)

    def wait_for_deliveries(self, alerts: Sequence[Labels], number: int, *, within: float = 60.0) -> None:
        """Wait for this many more webhooks with these alerts, whatever becomes of them."""
        mark = self.recorder.mark()
        self.recorder.wait_for(
            lambda all_: sum(alerts[0] in each.firing for each in all_[mark:]) >= number,
            what=f"{number} deliveries",
            within=within,
        )

    def wait_until_stored(self, alerts: Sequence[Labels]) -> None:
        """Wait until each alert was acknowledged once more."""
        mark = self.recorder.mark()
        wanted = {fingerprint(alert) for alert in alerts}
        self.recorder.wait_for(
            lambda all_: wanted <= acknowledged(all_[mark:]).keys(), what="all alerts stored", within=STORED_WITHIN
        )

    def check(self, alerts: Sequence[Labels], *, answers_lost: bool) -> Counter[str]:
        """Hold the RRs to the promises, while the storm goes on; return how often each alert was counted."""
        wanted = {fingerprint(alert) for alert in alerts}
        before = acknowledged(self.recorder.deliveries[: self.recorder.mark()])
        active, counted = stored(self.cluster)
        assert wanted <= active, "an acknowledged alert is in no active RR"
        assert before <= counted, "an acknowledged delivery is not counted"
        times = _PATCHES if answers_lost else 1
        # What is on its way is counted before it is recorded.
        wait_for(
            lambda: counted <= _multiplied(fired(self._seen()), times),
            what="no more to be counted than was sent",
            within=20,
        )
        return Counter({each: counted[each] for each in wanted})

    def _seen(self) -> Sequence[Delivery]:
        return self.recorder.deliveries[: self.recorder.mark()]

    def _function(self, number: int) -> FunctionProcess:
        folder = self._folder / f"function-{number}"
        folder.mkdir()
        namespace = self.cluster.namespace
        config = self._kubeconfig(number, folder / "kubeconfig", self.cluster.token, namespace)
        environment = {"KUBECONFIG": str(config), "SLUICE_NAMESPACE": namespace, "SLUICE_API_TIMEOUT": "1"}
        return FunctionProcess(folder=folder, environment=environment)

    def _alertmanager(self, name: str, token: str) -> Alertmanager:
        folder = self._folder / name
        folder.mkdir()
        receiver = {
            "url": self.recorder.url(name),
            "send_resolved": True,
            "max_alerts": 0,
            "http_config": {"authorization": {"credentials": token}},
        }
        return Alertmanager(folder=folder, receiver=receiver, route=_ROUTE)


def _multiplied(counts: Counter[str], factor: int) -> Counter[str]:
    return Counter({each: number * factor for each, number in counts.items()})

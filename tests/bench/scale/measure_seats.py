"""What API Priority and Fairness really does with our level: its seats, and those of a LIST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.bench.scale.flow_control import FLOW_CONTROL
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.apiserver import KubeApiserver

_FLOW_CONTROL = "/apis/flowcontrol.apiserver.k8s.io/v1"
_LIMIT = "apiserver_flowcontrol_nominal_limit_seats"
_SEATS = "apiserver_flowcontrol_work_estimated_seats"


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
    text: Any = server.request("GET", "/metrics").body
    lines = [line for line in text.splitlines() if metric in line]
    families = text_string_to_metric_families("\n".join(lines) + "\n")
    return [
        (sample.name, sample.value)
        for family in families
        for sample in family.samples
        if sample.labels.get("priority_level") == "sluice"
    ]

"""API Priority and Fairness: how many calls of ours the API server works on at once.

The rules are those of Kubernetes 1.36: a level's seats are its share of --max-requests-inflight plus
--max-mutating-requests-inflight; a LIST from the cache takes a seat for each 100 kB of all objects of its kind
in the cluster, ten at most, and never more than 15 % of its level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FLOW_CONTROL = Path(__file__).parents[3] / "knative" / "cluster" / "flow-control.yaml"

IN_FLIGHT = 400 + 200  # kube-apiserver's defaults, of each replica
# Of the levels every cluster has: system 30, node-high 40, leader-election 10, workload-high 40, workload-low 100,
# global-default 20, catch-all 5.
OTHER_SHARES = 245
_BYTES_PER_SEAT = 100_000
_MOST_LIST_SEATS = 10


@dataclass(frozen=True, kw_only=True)
class PriorityLevel:
    """One priority level on one kube-apiserver."""

    seats: int
    queues: int
    hand_size: int
    queue_length: int
    lendable: float = 0.0

    @classmethod
    def of(cls, manifest: Any, *, in_flight: int = IN_FLIGHT, other_shares: int = OTHER_SHARES) -> PriorityLevel:
        """Read a PriorityLevelConfiguration, in a cluster with the default levels beside it."""
        limited = manifest["spec"]["limited"]
        queuing = limited["limitResponse"]["queuing"]
        shares = limited["nominalConcurrencyShares"]
        return cls(
            seats=math.ceil(in_flight * shares / (shares + other_shares)),
            queues=queuing["queues"],
            hand_size=queuing["handSize"],
            queue_length=queuing["queueLengthLimit"],
            lendable=limited["lendablePercent"] / 100,
        )

    @property
    def most_seats_of_a_call(self) -> int:
        """Wider calls are counted as so wide."""
        return max(1, min(math.ceil(self.seats * 0.15), self.seats // self.hand_size))

    @property
    def most_waiting(self) -> int:
        """Calls of one flow that wait; the next is refused with 429. A flow is dealt `hand_size` queues."""
        return self.hand_size * self.queue_length

    def list_seats(self, *, stored_in_cluster: float, object_bytes: float) -> int:
        """Seats of one LIST: by what is stored in all namespaces, not in its own."""
        wanted = math.ceil(stored_in_cluster * object_bytes / _BYTES_PER_SEAT)
        return max(1, min(wanted, _MOST_LIST_SEATS, self.most_seats_of_a_call))


def shipped_level(path: Path = FLOW_CONTROL) -> PriorityLevel:
    """The level of knative/cluster/flow-control.yaml."""
    documents = yaml.safe_load_all(path.read_text())
    return PriorityLevel.of(next(one for one in documents if one["kind"] == "PriorityLevelConfiguration"))

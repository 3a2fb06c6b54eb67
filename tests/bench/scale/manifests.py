"""What the manifests really say about scaling, and about API Priority and Fairness.

Its rules are those of Kubernetes 1.36: a level's seats are its share of --max-requests-inflight plus
--max-mutating-requests-inflight; a LIST from the cache takes a seat for each 100 kB of all objects of its kind
in the cluster, ten at most, and never more than 15 % of its level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jsonpatch import apply_patch

if TYPE_CHECKING:
    from collections.abc import Callable

_KNATIVE = Path(__file__).parents[3] / "knative"
_PREFIX = "autoscaling.knative.dev/"
FLOW_CONTROL = _KNATIVE / "cluster" / "flow-control.yaml"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_IN_FLIGHT = 400 + 200  # kube-apiserver's defaults, of each replica
# Of the levels every cluster has: system 30, node-high 40, leader-election 10, workload-high 40, workload-low 100,
# global-default 20, catch-all 5.
_OTHER_SHARES = 245
_BYTES_PER_SEAT = 100_000
_MOST_LIST_SEATS = 10


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """A Service's settings; defaults are those of Knative's config-autoscaler. Seconds; 0 max_scale: no limit."""

    container_concurrency: int = 0
    timeout: float = 300.0
    target: float = 100.0
    utilization: float = 0.7
    window: float = 60.0
    panic_window_share: float = 0.1
    panic_threshold: float = 2.0
    target_burst_capacity: float = 211.0
    min_scale: int = 0
    max_scale: int = 0
    retention: float = 0.0
    cpu_limit: float = 1.0

    @classmethod
    def of(cls, service: Any) -> ServiceSettings:
        """Read a Knative Service."""
        template = service["spec"]["template"]
        notes = template["metadata"]["annotations"]
        values = {note.removeprefix(_PREFIX): notes[note] for note in notes if note.startswith(_PREFIX)}
        if unknown := values.keys() - _READ - _SAME:
            raise ValueError(f"the model does not know {', '.join(sorted(unknown))}")
        concurrency = int(template["spec"].get("containerConcurrency", 0))
        target = float(values.get("target", concurrency or cls.target))
        read: dict[str, Any] = {name: read(values[note]) for note, (name, read) in _READ.items() if note in values}
        read["target"] = min(target, concurrency) if concurrency else target
        return cls(
            container_concurrency=concurrency,
            timeout=float(template["spec"].get("timeoutSeconds", cls.timeout)),
            cpu_limit=_cores(template["spec"]["containers"][0]["resources"]["limits"]["cpu"]),
            **read,
        )


def _share(percentage: str) -> float:
    return float(percentage) / 100


def _seconds(duration: str) -> float:
    return float(duration[:-1]) * _UNITS[duration[-1]]


def _cores(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


_READ: dict[str, tuple[str, Callable[[str], Any]]] = {
    "target": ("target", float),
    "target-utilization-percentage": ("utilization", _share),
    "window": ("window", _seconds),
    "panic-window-percentage": ("panic_window_share", _share),
    "panic-threshold-percentage": ("panic_threshold", _share),
    "target-burst-capacity": ("target_burst_capacity", float),
    "min-scale": ("min_scale", int),
    "max-scale": ("max_scale", int),
    "scale-to-zero-pod-retention-period": ("retention", _seconds),
}
_SAME = {"class", "metric"}  # Knative's defaults, written out


def shipped_service(overlay: str, name: str = "alertmanager") -> ServiceSettings:
    """The Service of knative/base, with the patches of an overlay unless that is `base`."""
    service = _load(_KNATIVE / "base" / f"{name}.yaml")
    patches = [] if overlay == "base" else _load(_KNATIVE / "overlays" / overlay / "kustomization.yaml")["patches"]
    for patch in patches:
        if patch["target"]["kind"] == "Service" and name in patch["target"]["name"]:
            service = apply_patch(service, yaml.safe_load(patch["patch"]))
    return ServiceSettings.of(service)


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@dataclass(frozen=True, kw_only=True)
class PriorityLevel:
    """One priority level on one kube-apiserver, in a cluster with the default levels beside it.

    A flow is dealt `hand_size` queues, and the call that finds no place in one is refused with 429.
    """

    seats: int
    hand_size: int
    queue_length: int

    @property
    def room(self) -> int:
        """Calls of one flow that run or wait."""
        return self.seats + self.hand_size * self.queue_length

    def list_seats(self, *, stored_in_cluster: float, object_bytes: float) -> int:
        """Seats of one LIST: by what is stored in all namespaces, not in its own."""
        wanted = math.ceil(stored_in_cluster * object_bytes / _BYTES_PER_SEAT)
        return max(1, min(wanted, _MOST_LIST_SEATS, math.ceil(self.seats * 0.15), self.seats // self.hand_size))


def shipped_level() -> PriorityLevel:
    """The level of knative/cluster/flow-control.yaml."""
    documents = yaml.safe_load_all(FLOW_CONTROL.read_text())
    (level,) = (one for one in documents if one["kind"] == "PriorityLevelConfiguration")
    limited = level["spec"]["limited"]
    queuing, shares = limited["limitResponse"]["queuing"], limited["nominalConcurrencyShares"]
    seats = math.ceil(_IN_FLIGHT * shares / (shares + _OTHER_SHARES))
    return PriorityLevel(seats=seats, hand_size=queuing["handSize"], queue_length=queuing["queueLengthLimit"])

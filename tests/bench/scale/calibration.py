"""What was measured: the model's only numbers, kept in calibration.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

CALIBRATION = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one call, or of one signal: milliseconds of the server's CPU, of the function's, and of waiting alone."""

    count: int
    server_ms: float
    function_ms: float = 0.0
    latency_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ListCost:
    """LIST of one fingerprint, `resourceVersion=0`, with so many RRs in the namespace."""

    rrs: int
    server_ms: float
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of the API server (etcd inside) with so many RRs stored: resident, live Go heap, etcd's file."""

    rrs: int
    resident_mb: float
    heap_mb: float
    storage_mb: float


@dataclass(frozen=True, kw_only=True)
class Load:
    """The function under load: costs of one signal, calls of one signal by kind, and signals a second."""

    signals: int
    server_ms: float
    function_ms: float
    per_second: float
    calls: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """One measurement of everything, on one machine."""

    machine: dict[str, str | int | float]
    calls: dict[str, Cost]
    lists: tuple[ListCost, ...]
    other_namespace: ListCost
    """LIST of a nearly empty namespace beside one that holds so many."""
    memory: tuple[Memory, ...]
    seats: dict[str, float]
    """Of our priority level (`nominal`), and of one LIST beside `stored` RRs in the whole cluster (`list`)."""
    loads: dict[str, Load]
    rr_bytes: int
    cold_start_s: float
    function_mb: float

    def with_sizes_of(self, earlier: Calibration) -> Calibration:
        """Keep what `earlier` measured beside more RRs than this one: filling up takes its time."""
        most = self.lists[-1].rrs
        return replace(
            self,
            lists=self.lists + tuple(one for one in earlier.lists if one.rrs > most),
            memory=max(self.memory, earlier.memory, key=lambda sizes: sizes[-1].rrs),
            other_namespace=max(self.other_namespace, earlier.other_namespace, key=lambda one: one.rrs),
        )

    def write(self, path: Path = CALIBRATION) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(_rounded(asdict(self)), indent=2) + "\n")


def read_calibration(path: Path = CALIBRATION) -> Calibration:
    """Read what `write` wrote. Raises ValueError where the file is not of this form."""
    try:
        document = json.loads(path.read_text())
        return Calibration(
            **document
            | {
                "calls": {name: Cost(**cost) for name, cost in document["calls"].items()},
                "lists": tuple(ListCost(**cost) for cost in document["lists"]),
                "other_namespace": ListCost(**document["other_namespace"]),
                "memory": tuple(Memory(**memory) for memory in document["memory"]),
                "loads": {name: Load(**load) for name, load in document["loads"].items()},
            }
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no calibration; `make scale CALIBRATE=1` writes one.") from error


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value

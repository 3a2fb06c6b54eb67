"""What a slice cost: its API calls, and the CPU of each process that took part."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from resource import RUSAGE_CHILDREN, getrusage
from typing import TYPE_CHECKING

import psutil

from tests.bench.api_calls import count_calls

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence

    from tests.apiserver import KubeApiserver
    from tests.bench.load import Slice

# Names of those whose CPU is measured.
API_SERVER, FUNCTION, BARE_CLIENT, LOAD = "API server", "function", "bare client", "load generator"


@dataclass(frozen=True)
class Measured:
    """A slice with the calls that the API server counted in it, and seconds of CPU by who spent them.

    `others` is the share of the machine that processes with no part in it took: the higher, the less the
    slice says.
    """

    slice: Slice
    calls: Mapping[str, int]
    cpu: Mapping[str, float]
    others: float = 0.0


def measure(
    run: Callable[[], Slice], *, server: KubeApiserver, processes: Mapping[str, Sequence[int]], children: str = ""
) -> Measured:
    """Run a slice and see what it cost.

    `processes` are pids by the name they count under, with all their children; what processes that began and
    ended in the slice spent counts as `children`.
    """
    calls = count_calls(server)
    spent = {name: cpu_seconds(pids) for name, pids in processes.items()}
    ended, busy, begun = _of_ended_children(), _machine_seconds(), time.monotonic()
    measured = run()
    seconds = time.monotonic() - begun
    busy = _machine_seconds() - busy
    cpu = {name: cpu_seconds(pids) - spent[name] for name, pids in processes.items()}
    if children:
        cpu[children] = _of_ended_children() - ended
    others = max(0.0, busy - sum(cpu.values())) / (seconds * (psutil.cpu_count() or 1))
    return Measured(measured, _more(calls, count_calls(server)), cpu, others)


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time that these processes and their children have spent."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                total += times.user + times.system
    return total


def _machine_seconds() -> float:
    """CPU time that all processes have spent, and that the hypervisor gave to other machines."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _of_ended_children() -> float:
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _more(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    return {kind: number for kind, number in sorted((after - before).items()) if number}

"""CPU seconds and memory of a process, as the kernel counts them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far, in steps of a tick (10 ms)."""
    # The name, in brackets, may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_megabytes(pid: int) -> float:
    """What the process holds in memory now."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 1e6


class CpuMeter:
    """CPU and wall seconds of some processes while a block runs."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self.cpu: tuple[float, ...] = ()
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._before = [cpu_seconds(pid) for pid in self._pids]
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        after = [cpu_seconds(pid) for pid in self._pids]
        self.cpu = tuple(late - early for late, early in zip(after, self._before, strict=True))

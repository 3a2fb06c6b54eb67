"""The bare client in processes of its own, as many as the function has."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self
from zlib import crc32

from tests.bench.load import Slice, merged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.apiserver import KubeApiserver
    from tests.bench.floor import Template


class Floors:
    """A context manager: after it no process is left.

    Operations on one target go to one process, which alone knows the resourceVersion; a process ends with its
    standard input, so none outlives us.
    """

    def __init__(
        self, server: KubeApiserver, *, token: str, namespace: str, template: Template, processes: int = 1
    ) -> None:
        known = {
            "url": server.url,
            "ca": str(server.ca_file),
            "token": token,
            "namespace": namespace,
            "template": asdict(template),
        }
        self._processes = [_start() for _ in range(processes)]
        for process in self._processes:
            _tell(process, known)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.communicate()  # closes its input and waits

    @property
    def pids(self) -> list[int]:
        """Of the processes."""
        return [process.pid for process in self._processes]

    def run(self, operations: Iterable[tuple[str, str]], *, in_flight: int) -> Slice:
        """Run a slice, `in_flight` operations at a time in all processes together."""
        shares: list[list[tuple[str, str]]] = [[] for _ in self._processes]
        for kind, target in operations:
            shares[crc32(target.encode()) % len(shares)].append((kind, target))
        at_work = [pair for pair in zip(self._processes, shares, strict=True) if pair[1]]
        for process, share in at_work:
            _tell(process, {"operations": share, "inFlight": max(1, in_flight // len(at_work))})
        return merged([_answer(process) for process, _ in at_work])


def _start() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.bench.floor_process"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _tell(process: subprocess.Popen[str], what: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{json.dumps(what)}\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> Slice:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the bare client ended; what it met is above"
    answer = json.loads(line)
    return Slice(tuple(answer["latencies"]), tuple(answer["ends"]), answer["seconds"])

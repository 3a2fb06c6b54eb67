"""From the start of the process to its first answer, beside a function that does nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from tests.bench.gateway import posted
from tests.e2e.function import process_environment
from tests.support.http import send

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HELLO = """\
import functions_framework.aio
from starlette.responses import Response


@functions_framework.aio.http
async def hello(request):
    return Response("hello", 201)
"""
_GIVE_UP_SECONDS = 30.0
_POLL_SECONDS = 0.002


@dataclass(frozen=True)
class ColdStart:
    """Seconds to the first 201, and megabytes after it: resident in the worker, and of all processes (PSS)."""

    seconds: float
    megabytes: float
    all_megabytes: float


def cold_start(command: Sequence[str], *, environment: Mapping[str, str], folder: Path, target: str) -> ColdStart:
    """Start a function and post one alert on `target` to it."""
    port = _free_port()
    sent = posted([target])
    variables = process_environment(folder) | dict(environment) | {"PORT": str(port)}
    with (folder / "function.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=variables, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait_until_bound(port)
            # Whoever connects waits in the socket's queue for the worker: no poll adds to the time.
            answer = send("POST", f"http://127.0.0.1:{port}", sent.body, headers=sent.headers, timeout=_GIVE_UP_SECONDS)
            seconds = time.perf_counter() - started
            assert answer.status == 201, answer.body
            return _sized(seconds, process.pid)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def write_hello(folder: Path) -> Path:
    """Write the function that does nothing; returns its source."""
    source = folder / "hello.py"
    source.write_text(HELLO)
    return source


def _sized(seconds: float, pid: int) -> ColdStart:
    master = psutil.Process(pid)
    (worker,) = master.children()
    everyone = sum(process.memory_full_info().pss for process in (master, worker))
    return ColdStart(seconds, worker.memory_info().rss / 1e6, everyone / 1e6)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _wait_until_bound(port: int) -> None:
    deadline = time.perf_counter() + _GIVE_UP_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.perf_counter() < deadline, "the function does not listen"
            time.sleep(_POLL_SECONDS)
        else:
            return

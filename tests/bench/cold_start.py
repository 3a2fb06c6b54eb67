"""From the start of the process to its first answer, beside a function that does nothing."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.gateway import webhook
from tests.support.http import send

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.e2e.function import FunctionProcess

HELLO = """\
import functions_framework.aio
from starlette.responses import Response


@functions_framework.aio.http
async def hello(request):
    return Response("hello", 201 if request.method == "POST" else 200)
"""


@dataclass(frozen=True)
class ColdStart:
    """Seconds to the first 201, and megabytes resident in the worker after it."""

    seconds: float
    megabytes: float


def cold_start(process: Callable[[], AbstractContextManager[FunctionProcess]], *, workload: str) -> ColdStart:
    """Start a function and post to it until it answers."""
    started = time.perf_counter()
    with process() as function:
        answer = send("POST", function.url, webhook([workload]), headers={"Content-Type": "application/json"})
        seconds = time.perf_counter() - started
        assert answer.status == 201, answer.body
        (worker,) = function.workers(1)
        return ColdStart(seconds, _resident(worker))


def write_hello(folder: Path) -> Path:
    """Write the function that does nothing; returns its source."""
    source = folder / "hello.py"
    source.write_text(HELLO)
    return source


def _resident(pid: int) -> float:
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

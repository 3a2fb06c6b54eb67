"""The function under a process that can record it."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from tests.e2e.function import SCRIPTS, FunctionProcess, production
from tests.support.sockets import children
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

PY_SPY = SCRIPTS / "py-spy"
RATE = 500
"""Samples a second."""

_TRACED = Path(__file__).with_name("traced.py")
_BEGINS_WITHIN = 20.0  # seconds
_BEGUN = "Sampling process"  # as py-spy says it


class NoProfileError(Exception):
    """py-spy cannot run here; the message is a sentence that says why."""


class TracedFunction:
    """A context manager: inside it the function listens at `url`, after it no process of it is left."""

    def __init__(
        self, *, target: str, folder: Path, environment: Mapping[str, str], py_spy: Path = PY_SPY, rate: int = RATE
    ) -> None:
        self._py_spy = py_spy
        self._recording = folder / "profile.txt"
        command = (sys.executable, str(_TRACED), str(py_spy), str(self._recording), str(rate), *production(target))
        self._processes: list[psutil.Process] = []
        self._function = FunctionProcess(folder=folder, environment=environment, command=command)

    def __enter__(self) -> Self:
        self._function.__enter__()
        self._processes = psutil.Process(self._function.pid).children(recursive=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._function.__exit__()
        # Where py-spy ended before, the function is only about to stop, which takes it two seconds.
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._function.url

    @property
    def pid(self) -> int:
        """Of gunicorn's master."""
        return children(self._function.pid)[0]

    def record(self) -> None:
        """Return as soon as samples are taken. Raises NoProfileError."""
        if not self._py_spy.exists():
            raise NoProfileError(f"py-spy is not installed at {self._py_spy}.")
        before = len(self._function.log)
        os.kill(self._function.pid, signal.SIGUSR1)

        def begun() -> bool:
            return self._function.ended or _BEGUN in self._function.log[before:]

        wait_for(begun, what="py-spy to begin", within=_BEGINS_WITHIN)
        if self._function.ended:
            raise NoProfileError(_why_not(self._function.log[before:]))

    def recorded(self) -> str:
        """End the recording, and with it the function; return it as py-spy's raw format has it.

        Raises NoProfileError.
        """
        if self._function.ended:
            raise NoProfileError("py-spy ended before it was told to.")
        os.kill(self._function.pid, signal.SIGINT)
        self._function.exit_code()
        if not self._recording.exists():
            raise NoProfileError("py-spy took no sample.")
        return self._recording.read_text()


def _why_not(log: str) -> str:
    told = [line.strip() for line in log.splitlines() if line.strip() and "[INFO]" not in line]
    return f"py-spy could not trace the function: {' '.join(told)[:300] or 'it says nothing'}"

"""What `make test` runs: stages in two lanes side by side, for two cores.

The first lane needs nothing but Python until its last stages; the second builds the real kube-apiserver and what else
most real parts need, and tries Sluice on them. Each line names its lane. Both lanes go on to their ends, whatever
fails on the way.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

_ON_THE_CLUSTER = ("test_make_cluster", "test_scale_from_zero", "test_event_chain")
REAL_CLUSTER = tuple(f"tests/e2e/{each}.py" for each in _ON_THE_CLUSTER)
_PYTEST = (sys.executable, "-m", "pytest", "-m", "not long and not browser", "-p", "no:cacheprovider")
SILENCE = 30.0  # seconds until people are told that a stage still runs
_PIECE = 65536  # bytes
# Helm, which the manifests need, is built in the other lane meanwhile.
REAL_PARTS = ("tests/apiserver", "tests/contract", "tests/e2e", "tests/serverless", "tests/manifests")


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of a lane; `what` tells people what it does."""

    what: str
    command: Sequence[str]


@dataclass(slots=True)
class Outcome:
    """What became of a lane: its stages' lines for people, and the tests that failed."""

    code: int = 0
    stages: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def lanes() -> dict[str, Sequence[Stage]]:
    """Return the lanes of `make test` by name."""
    return {
        "python": (
            Stage("style, formatting and the layers of the code", ("make", "--no-print-directory", "lint")),
            Stage("types", ("make", "--no-print-directory", "types")),
            Stage("all tests that need no real part: units, simulation, cases, fuzzing", _measured(*_ignored())),
            Stage("the console in headless Chromium, where there is one", _python("tests.browser", "--short")),
            Stage("build Helm, once", _python("tests.manifests")),
            Stage("build Knative's control plane, once", _python("tests.cluster", "--build")),
            Stage("a cluster with Knative and Sluice: from zero, and Events", (*_PYTEST, *REAL_CLUSTER)),
        ),
        "real": (
            Stage("build kube-apiserver, once", _python("tests.apiserver")),
            Stage("build Toxiproxy, once", _python("tests.toxiproxy")),
            Stage("build Alertmanager and amtool, once", _python("tests.e2e")),
            Stage(
                "build Knative's queue-proxy, validation and broker filter, and kubectl, once", _python("tests.knative")
            ),
            Stage(
                "the real kube-apiserver and whole processes: contracts, manifests, faults, kills",
                _measured(*REAL_PARTS, *(f"--ignore={path}" for path in REAL_CLUSTER)),
            ),
        ),
    }


def _ignored() -> list[str]:
    return [f"--ignore={path}" for path in REAL_PARTS]


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *arguments)


def _measured(*arguments: str) -> tuple[str, ...]:
    """Run tests, and measure which lines they reach."""
    return _python("coverage", "run", *_PYTEST[1:], *arguments)


async def run(lanes: Mapping[str, Sequence[Stage]], *, write: Callable[[str], object], silence: float = SILENCE) -> int:
    """Run all lanes to their ends; return the worst exit code, and write who took how long and what failed."""
    width = max(map(len, lanes))
    outcomes = await asyncio.gather(
        *(_run_lane(f"{name:{width}} | ", stages, write, silence) for name, stages in lanes.items())
    )
    for outcome in outcomes:
        for line in (*outcome.stages, *outcome.failed):
            write(line)
    return max(outcome.code for outcome in outcomes)


async def _run_lane(prefix: str, stages: Sequence[Stage], write: Callable[[str], object], silence: float) -> Outcome:
    outcome = Outcome()
    for number, stage in enumerate(stages, 1):
        write(f"{prefix}== {number} of {len(stages)}: {stage.what}")
        started = time.monotonic()
        code = await _run_stage(prefix, stage, outcome, write, silence)
        seconds = time.monotonic() - started
        outcome.stages.append(f"{prefix}{'ok    ' if code == 0 else 'FAILED'} {seconds:6.0f} s  {stage.what}")
        write(outcome.stages[-1])
        outcome.code = max(outcome.code, abs(code))
    return outcome


async def _run_stage(
    prefix: str, stage: Stage, outcome: Outcome, write: Callable[[str], object], silence: float
) -> int:
    """Run one command; what it prints is written line by line, and in between that it still runs."""
    running = await asyncio.create_subprocess_exec(
        *stage.command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # so that it ends with all that it started
    )
    assert running.stdout
    try:
        async for line in _lines(running.stdout, silence=silence):
            write(f"{prefix}{line}")
            if line.startswith(("FAILED ", "ERROR ")):
                outcome.failed.append(line)
        return await running.wait()
    finally:
        if running.returncode is None:
            os.killpg(running.pid, signal.SIGTERM)
            await running.wait()


async def _lines(printed: asyncio.StreamReader, *, silence: float) -> AsyncIterator[str]:
    """Yield each line; after `silence` seconds without one, the line so far, such as pytest's dots, and the time."""
    started = time.monotonic()
    so_far = b""
    reading = asyncio.ensure_future(printed.read(_PIECE))
    try:
        while True:
            done, _ = await asyncio.wait({reading}, timeout=silence)
            if not done:
                yield f"{_text(so_far)} … after {time.monotonic() - started:.0f} s".strip()
                continue
            piece = reading.result()
            *lines, so_far = (so_far + piece).split(b"\n")
            for line in lines:
                yield _text(line)
            if not piece:
                break
            reading = asyncio.ensure_future(printed.read(_PIECE))
        if so_far:
            yield _text(so_far)
    finally:
        reading.cancel()


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip()


def main() -> int:
    """Run the lanes of `make test`."""

    def write(line: str) -> None:
        print(line, flush=True)  # noqa: T201 - this is a command

    try:
        return asyncio.run(run(lanes(), write=write))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

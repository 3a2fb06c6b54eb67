"""A child process ends when it is told to, with all that it started."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from core.local.run.function import ChildProcess
from tests.support.waiting import HANGS_AFTER, wait_for

ENVIRONMENT = {"PATH": os.defpath}


def python(code: str, *arguments: object) -> ChildProcess:
    command = [sys.executable, "-I", "-S", "-c", code, *map(str, arguments)]
    return ChildProcess(command=command, env=ENVIRONMENT)


def gone(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        )  # nobody reaps it in a container
    return True


@pytest.mark.parametrize(
    ("code", "expected"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 128 + 9), ("", 0)]
)
async def test_exit_code_is_the_shell_s(code: str, expected: int) -> None:
    child = python(code)
    await child.start()
    assert await child.ended_within(HANGS_AFTER)
    assert child.exit_code == expected
    await child.stop()


async def test_running_child_has_not_ended() -> None:
    child = python("import signal; signal.pause()")
    await child.start()
    assert not await child.ended_within(0.01)
    assert child.exit_code is None
    await child.stop()
    assert child.exit_code == 128 + 15


async def test_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    child = python(
        "import pathlib, signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "while True: signal.pause()\n",
        ready,
    )
    await child.start()
    wait_for(ready.exists, what="the child to start", within=10)
    await child.stop(within=0.01)
    assert child.exit_code == 128 + 9


async def test_what_the_child_started_goes_with_it(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    child = python(
        "import os, pathlib, signal, sys\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    while True: signal.pause()\n"
        "pathlib.Path(sys.argv[1]).write_text(str(pid))\n"
        "os._exit(0)\n",
        written,
    )
    await child.start()
    assert await child.ended_within(HANGS_AFTER)
    grandchild = int(written.read_text())
    assert not gone(grandchild)
    await child.stop()
    wait_for(lambda: gone(grandchild), what="the grandchild to be gone", within=5)


async def test_what_never_started_stops_and_never_ends() -> None:
    child = python("")
    await child.stop()
    assert not await child.ended_within(0.01)


async def test_unknown_command_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        await ChildProcess(command=["/no/such/command"], env=ENVIRONMENT).start()

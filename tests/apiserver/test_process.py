"""A server process never outlives the tests, and lives as long as they want it."""

import os
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.apiserver.process import ServerError, ServerProcess

WAITS_FOREVER = [sys.executable, "-I", "-S", "-c", "import signal; print('up', flush=True); signal.pause()"]
IGNORES_SIGTERM = [
    *WAITS_FOREVER[:-1],
    "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()",
]


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) and pidfd_open(2) are Linux's")
def test_kernel_ends_the_process_when_pytest_is_killed(tmp_path: Path) -> None:
    starts_one_and_is_killed = (
        "import os, pathlib, signal, sys\n"
        "from tests.apiserver.process import ServerProcess\n"
        f"process = ServerProcess({WAITS_FOREVER!r}, log_file=pathlib.Path({str(tmp_path / 'log')!r}))\n"
        "process.start()\n"
        "print(process.pid, flush=True)\n"
        "sys.stdin.readline()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starts_one_and_is_killed],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        orphan = os.pidfd_open(int(parent.stdout.readline()))
        parent.stdin.write("\n")
        parent.stdin.close()
        ended, _, _ = select.select([orphan], [], [], 10)
        os.close(orphan)
    assert ended


def test_process_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    process = ServerProcess(WAITS_FOREVER, log_file=tmp_path / "log")
    starter = threading.Thread(target=_start_and_wait_for_first_line, args=[process])
    starter.start()
    starter.join()  # only now: before its first line the process is not tied to anything yet
    assert not process.ended_within(0.2)
    process.kill()


def test_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = ServerProcess(IGNORES_SIGTERM, log_file=tmp_path / "log")
    _start_and_wait_for_first_line(process)
    process.stop(grace=0.1)
    assert process.pid is None
    assert process.ended_within(0)


def test_process_is_not_started_twice(tmp_path: Path) -> None:
    process = ServerProcess(WAITS_FOREVER, log_file=tmp_path / "log")
    process.start()
    try:
        with pytest.raises(ServerError, match="runs already, as process"):
            process.start()
    finally:
        process.kill()


def test_stop_and_kill_of_a_process_that_does_not_run_do_nothing(tmp_path: Path) -> None:
    process = ServerProcess(WAITS_FOREVER, log_file=tmp_path / "log")
    process.stop()
    process.kill()
    assert process.log_tail() == "(its log is empty)"


def _start_and_wait_for_first_line(process: ServerProcess) -> None:
    process.log_file.unlink(missing_ok=True)
    os.mkfifo(process.log_file)
    reader = os.open(process.log_file, os.O_RDONLY | os.O_NONBLOCK)
    process.start()
    assert select.select([reader], [], [], 10)[0]
    os.close(reader)

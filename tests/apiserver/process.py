"""A server process that never outlives the tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tests.support.waiting import wait_for

T = TypeVar("T")

_LAUNCHER = Path(__file__).with_name("launch.py")
_TAIL_BYTES = 4096

# The kernel kills a child when the *thread* that started it ends (prctl(2), PR_SET_PDEATHSIG). This one lives
# until the interpreter ends, so a server may be started from any thread, such as asyncio's short-lived ones.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-starter")


class ServerError(Exception):
    """A server did not start, or ended by itself; the message carries the end of its log."""


class ServerProcess:
    """One command, its process group and its log. It can be started again after it ended.

    Environment and working folder are ours unless given. `when_orphaned` is what the kernel sends it where
    pytest is killed: SIGTERM for one that has children to stop.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log_file: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        when_orphaned: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.command = tuple(command)
        self.log_file = log_file
        self.exit_code: int | None = None
        """Of the last run, negative where a signal ended it; None until it was seen to end."""
        self._environment = environment
        self._folder = folder
        self._when_orphaned = when_orphaned
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the running process, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Run the command. Raises ServerError when it runs already."""
        if self.pid is not None:
            raise ServerError(f"{self.command[0]} runs already, as process {self.pid}; stop it first.")
        self.exit_code = None
        self._process = _STARTER.submit(self._spawn).result()

    def stop(self, *, grace: float = 15.0) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds. Nothing happens when it does not run."""
        if self._signal(signal.SIGTERM):
            self.resume()  # a paused process sees no SIGTERM
            if not self.ended_within(grace):
                self.kill()
        self._forget()

    def kill(self) -> None:
        """SIGKILL, as a node that loses power, and wait for the end."""
        self._signal(signal.SIGKILL)
        self._forget()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def ended_within(self, seconds: float) -> bool:
        """Wait for the process to end, `seconds` at most; False when it still runs."""
        if self._process is None:
            return True
        try:
            self.exit_code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def log_tail(self) -> str:
        """The last lines of the log, for error messages."""
        log = self.log_file.read_bytes()[-_TAIL_BYTES:] if self.log_file.exists() else b""
        return log.decode(errors="replace") or "(its log is empty)"

    def _spawn(self) -> subprocess.Popen[bytes]:
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(int(self._when_orphaned))]
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [*launcher, *self.command],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches pytest alone, which then stops the server
            )

    def _signal(self, number: signal.Signals) -> bool:
        pid = self.pid
        if pid is not None:
            os.killpg(pid, number)
        return pid is not None

    def _forget(self) -> None:
        if self._process is not None:
            self.exit_code = self._process.wait()
            self._process = None


def wait_until_up(is_up: Callable[[], T | None], *processes: ServerProcess, what: str, within: float) -> T:
    """Return the first true value of `is_up`, which all `processes` are needed for; `what` is its name for people.

    Raises ServerError, with a log's end, where a process ends or it is not up in time.
    """

    def up() -> T | None:
        for process in processes:
            if process.ended_within(0):
                raise ServerError(f"{what} ended by itself with {process.exit_code}: {process.log_tail()}")
        return is_up()

    try:
        return wait_for(up, what=f"{what} to be up", within=within)
    except AssertionError as error:
        logs = "\n".join(process.log_tail() for process in processes)
        raise ServerError(f"{error}. The end of its log:\n{logs}") from None

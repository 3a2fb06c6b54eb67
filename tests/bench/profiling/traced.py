"""`traced.py PY_SPY RECORDING RATE COMMAND…` runs COMMAND and becomes py-spy at SIGUSR1, to record its worker.

Linux with yama (`ptrace_scope` 1, as most distributions set it) lets a process trace its descendants only. exec keeps
the process and its children, so py-spy needs no root here, and can begin when the load does: as the parent from the
start (`py-spy record -- COMMAND`) it would record the imports too.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

_LAUNCHER = Path(__file__).parents[2] / "apiserver" / "launch.py"


def main() -> None:
    """Run the command until it ends or is recorded."""
    py_spy, recording, rate, *command = sys.argv[1:]

    def record(*_: object) -> None:
        worker = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()[0]
        # Without --gil a loop that was woken and waits for a core counts as at work. Not --nonblocking: no figure is
        # taken meanwhile, so it may pause for each sample, and a stack that is read as it changes is a wrong one.
        how = ("--format", "raw", "--rate", rate, "--gil", "--nolineno", "--full-filenames")
        os.execv(py_spy, [py_spy, "record", "--pid", worker, "--output", recording, *how])

    signal.signal(signal.SIGUSR1, record)
    # The kernel ends the function when we end, as py-spy or before.
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(int(signal.SIGTERM))]
    started = subprocess.Popen([*launcher, *command])
    sys.exit(started.wait())


if __name__ == "__main__":
    main()

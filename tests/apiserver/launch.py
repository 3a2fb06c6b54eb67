"""`launch.py PARENT COMMAND…` becomes COMMAND, which the kernel kills when process PARENT ends.

A program of its own because what Popen offers for this, preexec_fn, is unsafe in a process with threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2); Linux only, elsewhere a killed pytest leaves the server behind


def main() -> None:
    """Tie this process to its parent, then execute the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        sys.exit(f"process {parent}, which wanted {command[0]}, is gone")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()

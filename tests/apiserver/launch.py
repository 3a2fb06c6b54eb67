"""`launch.py PARENT SIGNAL COMMAND…` becomes COMMAND, to which the kernel sends SIGNAL when process PARENT ends.

A program of its own because what Popen offers for this, preexec_fn, is unsafe in a process with threads.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2); Linux only, elsewhere a killed pytest leaves the server behind


def main() -> None:
    """Tie this process to its parent, then execute the command."""
    parent, number, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it ended before the line above
        sys.exit(f"process {parent}, which wanted {command[0]}, is gone")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()

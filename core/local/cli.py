"""The `sluice` command: what `make run` and `make demo` call."""

import signal
import sys


def main() -> None:
    """Run the command line; a Ctrl-C ends it without a stack trace, from its first moment on."""
    try:
        # Most of the start is this import.
        from core.local.commands import app  # noqa: PLC0415

        app()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)  # as shells say it

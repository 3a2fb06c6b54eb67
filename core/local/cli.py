"""The `sluice` command: what `make run` and `make demo` call."""

import atexit
import os
import signal
import sys
import threading


def command() -> None:
    """Run the command line as the whole of a process."""
    try:
        main()
    except SystemExit as end:
        if any(thread.daemon for thread in threading.enumerate()):
            _leave(end)
        raise


def main() -> None:
    """Run the command line; a Ctrl-C ends it without a stack trace, from its first moment on."""
    try:
        # Most of the start is this import.
        from core.local.commands import app  # noqa: PLC0415

        app()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("jsonpatch", "jsonpointer", "jsonschema", "rich", "typer"):
            raise
        sys.exit(f"sluice: the command line needs {missing}: pip install 'sluice-gateway[local]'")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)  # as shells say it


def _leave(end: SystemExit) -> None:
    """End the process under a thread that still waits for the API server, as the console's does.

    Python's own end stops such a thread wherever it is, in a library's code too, and that may abort the process.
    """
    if not isinstance(end.code, int | None):
        return  # a sentence that Python writes to standard error
    atexit._run_exitfuncs()  # noqa: SLF001 - os._exit calls none of them
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end.code or 0)

"""The `sluice` command: what `make run` and `make demo` call."""

import signal
import sys


def main() -> None:
    """Run the command line; a Ctrl-C ends it without a stack trace, from its first moment on."""
    try:
        # Most of the start is this import.
        from core.local.commands import app  # noqa: PLC0415

        app()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("jsonschema", "rich", "typer"):
            raise
        sys.exit(f"sluice: the command line needs {missing}: pip install 'sluice-gateway[local]'")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)  # as shells say it

"""What a command cannot go on after."""

from core.errors import SluiceError

USAGE = 2  # exit code: the command as written cannot be run, as Typer's own parser says it


class CommandError(SluiceError):
    """Ends a command; the message is all its user sees.

    Attributes:
        exit_code: of the process.
    """

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code

"""Where the commands write."""

from rich.console import Console

_WIDTH_OF_FILES = 150  # where standard output is no terminal, rich would assume 80


def new_console(*, stderr: bool = False) -> Console:
    """Return a console that colours on terminals only and never guesses at what to highlight."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDTH_OF_FILES)

"""What a command is to the shell that started it: its output, its exit code, the signals that end it."""

import asyncio
import signal
from collections.abc import Coroutine, Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from core.common.text import printable
from core.errors import SluiceError

INTERRUPTED = 128 + signal.SIGINT  # exit code, as shells say it
USAGE = 2  # exit code: the command as written cannot be run, as Typer's own parser says it

_WIDTH_OF_FILES = 1_000  # where standard output is no terminal, rich would assume 80 and cut what scripts read


class CommandError(SluiceError):
    """Ends a command; the message is all its user sees.

    Attributes:
        exit_code: of the process.
    """

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class _HarmlessConsole(Console):
    """Writes what others wrote (labels, names, answers) so that none of it steers the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is to be written; rich's own control codes are segments of another kind."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)


def harmless(text: str) -> str:
    """Return `text` for a terminal: lines and tabs stay, all else that could steer it is written as escapes."""
    if text.isprintable():
        return text
    return "".join(each if each in "\n\t" else printable(each) for each in text)


def new_console(*, stderr: bool = False) -> Console:
    """Return a console that colours on terminals only and never guesses at what to highlight."""
    console = _HarmlessConsole(stderr=stderr, highlight=False)
    return console if console.is_terminal else _HarmlessConsole(stderr=stderr, highlight=False, width=_WIDTH_OF_FILES)


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; on Ctrl-C, SIGTERM or SIGHUP cancel it and wait until it has cleaned up.

    A second signal changes nothing: cleaning up takes a bounded time, and cut short it leaves processes.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work)
    stopped = asyncio.Event()

    def stop() -> None:
        if not stopped.is_set():
            stopped.set()
            task.cancel()

    for number in _ENDING:
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)

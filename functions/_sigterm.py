"""Lets a worker close what it holds when the platform stops it with SIGTERM.

uvicorn waits for the requests in flight and then raises the signal once more, under the handler that stood
there before its own. gunicorn has left the default one: the process would die on the spot, before the event
loop has closed what it holds.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]


def outlive_sigterm() -> None:
    """Let the server that runs this event loop see SIGTERM, but only once.

    Raised again, the signal waits for this thread until the loop is closed and the process ends by itself.
    Nothing changes where no server waits for SIGTERM, or the loop runs beside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    server = signal.getsignal(signal.SIGTERM)
    if callable(server) and not isinstance(server, _Once):
        signal.signal(signal.SIGTERM, _Once(server))


class _Once:
    """A signal handler that calls another one and then blocks the signal."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._handler(number, frame)
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})

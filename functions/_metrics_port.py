"""/metrics on a port of its own, beside the one that senders reach: from the start of each worker on."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from threading import Thread
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import CollectorRegistry


class MetricsPort:
    """A server in a thread, so that it answers while the event loop is busy.

    functions-framework imports a function before gunicorn forks its workers, and tells it nothing of a worker's
    start: Python's own hook after a fork does. Where nothing forks, the first request opens the port.

    Args:
        port: 0 for none.
        registry: makes what collects the metrics, in the process that serves.
        logger: is told of a port that is taken.
    """

    def __init__(self, *, port: int, registry: Callable[[], CollectorRegistry], logger: logging.Logger) -> None:
        self._port = port
        self._registry = registry
        self._logger = logger
        self._listening: Listening | None = None

    def open_in_workers(self) -> None:
        """Listen from each fork of this process on, until the forked process ends."""
        if not self._port:
            return
        hook = weakref.WeakMethod(self._open_for_good)  # the interpreter never forgets a fork hook

        def in_child() -> None:
            if opening := hook():
                opening()

        os.register_at_fork(after_in_child=in_child)

    async def open(self) -> Listening:
        """Listen until the returned value is closed, unless this process listens already."""
        return Listening() if self._listening or not self._port else self._listen()

    def _open_for_good(self) -> None:
        self._listening = self._listen()
        atexit.register(self._listening.stop)

    def _listen(self) -> Listening:
        try:
            return Listening(start_http_server(self._port, registry=self._registry()))
        except OSError as error:  # a taken port; events matter more than their metrics
            self._logger.warning(
                "SLUICE_METRICS_PORT=%d cannot be listened on (%s): no metrics of this worker there", self._port, error
            )
            return Listening()


class Listening:
    """What listens, or nothing."""

    def __init__(self, serving: tuple[WSGIServer, Thread] | None = None) -> None:
        self._serving = serving

    async def close(self) -> None:
        """Stop listening."""
        self.stop()

    def stop(self) -> None:
        """Stop listening, without an event loop."""
        if self._serving is not None:
            server, thread = self._serving
            server.shutdown()
            server.server_close()
            thread.join()

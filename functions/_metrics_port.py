"""/metrics of a CloudEvents function, on a port of its own: functions-framework gives it no GET."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from prometheus_client import start_http_server

if TYPE_CHECKING:
    import logging
    from threading import Thread
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import CollectorRegistry


class MetricsPort:
    """A server in a thread, from the first event on: before, gunicorn has not forked yet."""

    def __init__(self, server: WSGIServer | None = None, thread: Thread | None = None) -> None:
        self._server = server
        self._thread = thread

    @classmethod
    async def open(cls, *, port: int, registry: CollectorRegistry, logger: logging.Logger) -> Self:
        """Serve `registry` on `port` if that is not 0; a taken port is only logged, for events matter more."""
        if not port:
            return cls()
        try:
            server, thread = start_http_server(port, registry=registry)
        except OSError as error:
            logger.warning("SLUICE_METRICS_PORT=%d cannot be listened on (%s): no metrics of this worker", port, error)
            return cls()
        return cls(server, thread)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

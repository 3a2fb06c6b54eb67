"""Uvicorn inside an event loop that is somebody else's: the embedded API's server, and the console's."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn

GRACE_SECONDS = 5.0
"""For requests under way when the server stops; their connections are closed then."""

_TURNS_TO_CONNECT = 3  # of the event loop, from accept to connection_made (asyncio.selector_events)


class GuestServer(uvicorn.Server):
    """A guest in a loop: it says when it listens, and leaves signals alone. `grace` is in seconds."""

    def __init__(self, config: uvicorn.Config, *, grace: float = GRACE_SECONDS) -> None:
        super().__init__(config)
        self._grace = grace
        self.ready = asyncio.Event()
        self._stopping = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Wait for the end; uvicorn's own loop wakes ten times a second."""
        await self._stopping.wait()

    def stop(self) -> None:
        """End `serve` at once, rather than at the next tick of uvicorn's loop."""
        self.should_exit = True
        self._stopping.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close listeners and connections; uvicorn's own takes a tenth of a second even with none open."""
        await _stop_accepting(sockets or ())
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._end_requests()
        await asyncio.sleep(0)  # the loop's turn in which transports tell that they are closed

    async def _end_requests(self) -> None:
        """Wait for requests under way; those that take too long lose their connection.

        An application takes that for a sender who goes away, and ends. Of a task that is cancelled uvicorn would write
        a stack trace.
        """
        if not self.server_state.tasks:
            return
        _, late = await asyncio.wait(self.server_state.tasks, timeout=self._grace)
        if late:
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            await asyncio.wait(late, timeout=GRACE_SECONDS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: they are the command's."""
        yield


async def _stop_accepting(listeners: Sequence[socket.socket]) -> None:
    """Accept nothing more, and let what has been accepted become a connection.

    asyncio drops a socket unclosed whose listener closes between its accept and its transport (CPython's
    `Server._attach` asserts that the server is open), and a transport without its protocol is in no list of ours.
    """
    loop = asyncio.get_running_loop()
    for listener in listeners:
        loop.remove_reader(listener)
    for _ in range(_TURNS_TO_CONNECT):
        await asyncio.sleep(0)

"""Ports that stay ours while the server that listens on them is down."""

import socket

LOOPBACK = "127.0.0.1"


class ReservedPort:
    """A free loopback port, held by a socket that never listens.

    A server that sets SO_REUSEPORT can bind it beside us as often as it is restarted; nobody else gets it in
    between, and a client is refused while no server listens.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind((LOOPBACK, 0))
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Give the port back to the kernel."""
        self._socket.close()

"""A server that is killed finds its port free when it comes back."""

import errno
import socket
from collections.abc import Iterator

import pytest

from tests.apiserver.ports import LOOPBACK, ReservedPort


@pytest.fixture
def port() -> Iterator[ReservedPort]:
    reserved = ReservedPort()
    yield reserved
    reserved.release()


def test_reserved_port_is_given_to_nobody_else(port: ReservedPort) -> None:
    with socket.socket() as other, pytest.raises(OSError) as refusal:
        other.bind((LOOPBACK, port.number))
    assert refusal.value.errno == errno.EADDRINUSE


def test_clients_are_refused_while_no_server_listens(port: ReservedPort) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port.number))


def test_server_that_shares_the_port_gets_every_connection(port: ReservedPort) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((LOOPBACK, port.number))
        server.listen()
        for _ in range(10):
            socket.create_connection((LOOPBACK, port.number)).close()
            server.accept()[0].close()


def test_released_port_can_be_had_again(port: ReservedPort) -> None:
    port.release()
    with socket.socket() as other:
        other.bind((LOOPBACK, port.number))

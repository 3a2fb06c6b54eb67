"""Speaks to the etcd that runs inside our kube-apiserver, past kube-apiserver."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.apiserver import KubeApiserver

_ALARM = "/etcdserverpb.Maintenance/Alarm"
# AlarmRequest: action (1: activate, 2: deactivate) is field 1, alarm (1: NOSPACE) is field 3.
_RAISE, _CLEAR = b"\x08\x01\x18\x01", b"\x08\x02\x18\x01"


@contextmanager
def no_space(server: KubeApiserver) -> Iterator[None]:
    """Until the context ends etcd takes no write, as it does from the moment its quota of disk is used up.

    The alarm is the same one; it is raised by hand rather than by gigabytes.
    """
    port = _client_port(server)
    _alarm(port, _RAISE)
    try:
        yield
    finally:
        _alarm(port, _CLEAR)


def _client_port(server: KubeApiserver) -> int:
    """The one of the process's ports that speaks etcd's protocol."""
    sockets = psutil.Process(server.pid).net_connections(kind="tcp")
    ports = {each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN} - {server.port}
    for port in sorted(ports):
        try:
            _alarm(port, b"")  # a plain question
        except grpc.RpcError:  # the port of etcd's peers
            continue
        return port
    raise AssertionError(f"none of the ports {sorted(ports)} is etcd's")


def _alarm(port: int, request: bytes) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        channel.unary_unary(_ALARM)(request, timeout=30)

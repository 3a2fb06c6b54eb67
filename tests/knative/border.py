"""Brings streams over the border of a network namespace, where files go and addresses do not.

A link `8012<path` lets people reach port 8012 here through a Unix socket; `6443>path` brings connections to
port 6443 here to a Unix socket. With `--inside` first it runs in a namespace just made, whose loopback is down,
and keeps that namespace: `unshare --map-root-user --net python -m tests.knative.border --inside LINK...`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

_LOOPBACK = "127.0.0.1"
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def bring_loopback_up() -> None:
    """As `ip link set lo up`, which not every machine has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


async def serve(links: list[str]) -> None:
    """Serve all links until the process is stopped."""
    for link in links:
        if "<" in link:
            port, path = link.split("<")
            await relay_from_path(path, to_port=int(port))
        else:
            port, path = link.split(">")
            await relay_from_port(int(port), to_path=path)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def relay_from_path(path: str, *, to_port: int) -> asyncio.Server:
    """Bring what comes to a Unix socket to a port."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, asyncio.open_connection(_LOOPBACK, to_port))

    return await asyncio.start_unix_server(relay, path)


async def relay_from_port(port: int, *, to_path: str) -> asyncio.Server:
    """Bring what comes to a port to a Unix socket."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, asyncio.open_unix_connection(to_path))

    # A test may have reserved the port, by a socket that does not listen.
    return await asyncio.start_server(relay, _LOOPBACK, port, reuse_port=True)


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    opening: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
) -> None:
    try:
        far_reader, far_writer = await opening
    except OSError:
        writer.transport.abort()  # as a port would refuse
        return
    await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    links = sys.argv[1:]
    if links[0] == "--inside":
        bring_loopback_up()
        links.pop(0)
    asyncio.run(serve(links))

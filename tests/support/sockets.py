"""Which connections a process holds, as the Linux kernel tells it (proc(5))."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_ESTABLISHED = "01"


def connections(pid: int, *, to_port: int) -> set[str]:
    """Inodes of the process's established TCP sockets whose other end is `to_port`."""
    return _sockets(pid) & _established(to_port)


def open_files(pid: int) -> list[str]:
    """What each file descriptor of the process is."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(link.readlink()))
    return found


def children(pid: int) -> list[int]:
    """The process's children, as gunicorn's workers are of its master."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _sockets(pid: int) -> set[str]:
    return {name.removeprefix("socket:[").rstrip("]") for name in open_files(pid) if name.startswith("socket:[")}


def _established(to_port: int) -> set[str]:
    tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6")]  # gRPC speaks IPv4 over sockets of IPv6
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == _ESTABLISHED and int(row[2].rpartition(":")[2], 16) == to_port}

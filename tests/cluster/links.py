"""Addresses and links of the machine and of its pods' network namespaces, set by `ip`."""

from __future__ import annotations

import asyncio

BRIDGE = "br0"
NODE_ADDRESS = "10.244.0.1"
_PREFIX = 16


class LinkError(Exception):
    """`ip` refused."""


async def ip(*lines: str, inside: int | None = None) -> None:
    """Run lines of `ip -batch`, in the network namespace of process `inside`. Raises LinkError."""
    enter = ["nsenter", "-t", str(inside), "-n"] if inside else []
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *enter, "ip", "-batch", "-", stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate("".join(f"{line}\n" for line in lines).encode())
    if process.returncode:
        raise LinkError(f"ip {lines}: {output.decode()}")


async def make_bridge() -> None:
    """The network of all pods; the node has the first address."""
    await ip(
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"addr add {NODE_ADDRESS}/{_PREFIX} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    )


async def connect(*, process: int, address: str, number: int) -> None:
    """Give the namespace of `process` an interface on the bridge; `number` names it on the node."""
    await ip(
        f"link add v{number} type veth peer name p{number}",
        f"link set v{number} master {BRIDGE}",
        f"link set v{number} up",
        f"link set p{number} netns {process}",
    )
    await ip(
        "link set lo up",
        f"link set p{number} name eth0",
        f"addr add {address}/{_PREFIX} dev eth0",
        "link set eth0 up",
        f"route add default via {NODE_ADDRESS}",
        inside=process,
    )


def pod_address(number: int) -> str:
    """Of the pod with that number, from 1."""
    return f"10.244.{1 + number // 250}.{1 + number % 250}"

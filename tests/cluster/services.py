"""Cluster IPs: each is an address of the node, from which connections are relayed to a ready endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from typing import TYPE_CHECKING

from tests.cluster.environment import CLUSTER_ADDRESS
from tests.cluster.links import ip

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.api import Api, Object

GATEWAY_ADDRESS, GATEWAY = (
    "10.0.1.1",
    "gateway.ingress.svc.cluster.local",
)  # beyond the API server's range of cluster IPs
_DOMAIN = ".cluster.local"
_SETTLES = 0.05  # seconds in which changes are gathered
_BACKLOG = 2048

Key = tuple[str, str]
"""Namespace and name."""


class Services:
    """Follows Services and EndpointSlices; writes `hosts`, which stands in for the cluster's DNS."""

    def __init__(self, *, api: Api, hosts: Path) -> None:
        self._api, self._hosts = api, hosts
        self._services: dict[Key, Object] = {}
        self._slices: dict[str, Object] = {}
        self._listening: dict[tuple[str, int], asyncio.Server] = {}
        self._addresses: set[str] = set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Serve for ever."""
        await self._add_address(CLUSTER_ADDRESS)

        async def to_api_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await relay(reader, writer, "127.0.0.1", int(self._api.port))

        api_server = await asyncio.start_server(to_api_server, CLUSTER_ADDRESS, 443)
        async with api_server:
            await asyncio.gather(
                self._api.watch("/api/v1/services", self._on_service),
                self._api.watch("/apis/discovery.k8s.io/v1/endpointslices", self._on_slice),
                self._apply(),
            )

    def endpoints(self, key: Key, port: str | int) -> list[tuple[str, int]]:
        """Addresses and ports of the ready endpoints behind a port of a Service, by its name or number."""
        service = self._services.get(key)
        if service is None:
            return []
        wanted = next(
            (each for each in service["spec"].get("ports", []) if port in (each["port"], each.get("name"))), None
        )
        if wanted is None:
            return []
        return [
            (endpoint["addresses"][0], each["port"])
            for found in self._slices_of(key)
            for each in found.get("ports") or []
            if (each.get("name") or "") == wanted.get("name", "")
            for endpoint in found.get("endpoints") or []
            if endpoint.get("conditions", {}).get("ready", True)
        ]

    def _slices_of(self, key: Key) -> list[Object]:
        return [
            each
            for each in self._slices.values()
            if (each["metadata"]["namespace"], each["metadata"]["labels"].get("kubernetes.io/service-name")) == key
        ]

    def _on_service(self, change: str, service: Object) -> None:
        key = (service["metadata"]["namespace"], service["metadata"]["name"])
        if change == "DELETED":
            self._services.pop(key, None)
        else:
            self._services[key] = service
        self._changed.set()

    def _on_slice(self, change: str, found: Object) -> None:
        if change == "DELETED":
            self._slices.pop(found["metadata"]["uid"], None)
        else:
            self._slices[found["metadata"]["uid"]] = found

    async def _apply(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for key, service in list(self._services.items()):
                if address := _cluster_ip(service):
                    await self._listen(address, key, service)
            self._write_hosts()
            await asyncio.sleep(_SETTLES)

    async def _listen(self, address: str, key: Key, service: Object) -> None:
        await self._add_address(address)
        for port in (each["port"] for each in service["spec"].get("ports", [])):
            if (address, port) in self._listening:
                continue

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = port) -> None:
                found = self.endpoints(key, port)
                if found:
                    await relay(reader, writer, *random.choice(found))
                else:
                    writer.transport.abort()  # as a closed port does

            self._listening[address, port] = await asyncio.start_server(serve, address, port, backlog=_BACKLOG)

    async def _add_address(self, address: str) -> None:
        if address not in self._addresses:
            self._addresses.add(address)
            await ip(f"addr add {address}/32 dev lo")

    def _write_hosts(self) -> None:
        names = {GATEWAY: GATEWAY_ADDRESS, f"kubernetes.default.svc{_DOMAIN}": CLUSTER_ADDRESS}
        names |= {_name(key): address for key, service in self._services.items() if (address := _cluster_ip(service))}
        for key, service in self._services.items():
            if service["spec"].get("type") == "ExternalName" and service["spec"]["externalName"] in names:
                names[_name(key)] = names[service["spec"]["externalName"]]
        lines = [f"{address} {name} {name.removesuffix(_DOMAIN)}\n" for name, address in sorted(names.items())]
        write_in_place(self._hosts, "127.0.0.1 localhost\n" + "".join(lines))


def write_in_place(path: Path, text: str) -> None:
    """Pods have the file itself mounted, so it cannot be replaced; and at no time is it empty."""
    data = text.encode()
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.pwrite(file, data, 0)
        os.ftruncate(file, len(data))
    finally:
        os.close(file)


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Join a connection to one to `host`; break it where nobody is there."""
    try:
        far_reader, far_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError):
        sink.close()


def _name(key: Key) -> str:
    namespace, name = key
    return f"{name}.{namespace}.svc{_DOMAIN}"


def _cluster_ip(service: Object) -> str:
    address = service["spec"].get("clusterIP", "")
    return "" if address in ("None", CLUSTER_ADDRESS) else str(address)

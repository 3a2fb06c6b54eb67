"""Probes and HTTP hooks of a container, as kubelet makes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from tests.cluster.api import Object

KUBELET = "kube-probe/1.36"


class ProbeError(Exception):
    """A probe failed; the message is what kubelet writes into its Event."""


class Prober:
    """Asks one container of one pod.

    Args:
        address: of the pod.
        ports: the container's, by name.
    """

    def __init__(self, *, address: str, ports: dict[str, int]) -> None:
        self._address, self._ports = address, ports

    async def probe(self, probe: Object) -> None:
        """Raises ProbeError where it fails."""
        timeout = probe.get("timeoutSeconds", 1)
        try:
            if "httpGet" in probe:
                status = await self.get(probe["httpGet"], timeout=timeout)
                if not 200 <= status < 400:
                    raise ProbeError(f"HTTP probe failed with statuscode: {status}")
            elif "tcpSocket" in probe:
                opening = asyncio.open_connection(self._address, self._port(probe["tcpSocket"]["port"]))
                _, writer = await asyncio.wait_for(opening, timeout)
                writer.close()
            else:
                raise ProbeError(f"this kubelet knows no such probe: {probe}")
        except TimeoutError:
            raise ProbeError("context deadline exceeded") from None
        except (OSError, aiohttp.ClientError) as error:
            raise ProbeError(str(error)) from None

    async def get(self, action: Object, *, timeout: float) -> int:
        """The status of an `httpGet`. Raises OSError, ClientError or TimeoutError."""
        headers = {"User-Agent": KUBELET} | {each["name"]: each["value"] for each in action.get("httpHeaders", [])}
        scheme = action.get("scheme", "HTTP").lower()
        path = action.get("path", "").lstrip("/")  # kubelet adds the slash where a manifest forgot it
        url = f"{scheme}://{self._address}:{self._port(action['port'])}/{path}"
        limit = aiohttp.ClientTimeout(total=timeout)
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url, headers=headers, ssl=False) as got:
            return got.status

    def _port(self, port: Any) -> int:
        return port if isinstance(port, int) else self._ports[port]

"""The ingress that Knative Serving asks for by its Ingress objects: routes by host to a Service's ready endpoints."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from tests.cluster.api import Api, Object, Spawned
from tests.cluster.events import now
from tests.cluster.links import ip
from tests.cluster.services import GATEWAY, GATEWAY_ADDRESS, Services

if TYPE_CHECKING:
    from pathlib import Path

CLASS = "sluice.ingress.networking.knative.dev"
_INGRESSES = "/apis/networking.internal.knative.dev/v1alpha1"
_INVENTED = ("Content-Type", "User-Agent")  # by aiohttp, where the sender gave none; no ingress does so
_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding")
_LARGEST_BODY = 2**26
_LONGEST = 600.0  # seconds; Knative's own limit of a request


class Ingress:
    """Follows Ingresses; listens on the gateway's address, and on a Unix socket for those outside the machine."""

    def __init__(self, *, api: Api, services: Services, socket: Path) -> None:
        self._api, self._services, self._socket = api, services, socket
        self._ingresses: dict[str, Object] = {}
        self._turn = itertools.count()
        self._tasks = Spawned()

    async def run(self) -> None:
        """Serve for ever."""
        await ip(f"addr add {GATEWAY_ADDRESS}/32 dev lo")
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._proxy)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, GATEWAY_ADDRESS, 80, backlog=2048).start()
        await web.UnixSite(runner, self._socket, backlog=2048).start()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._client:
            await self._api.watch(f"{_INGRESSES}/ingresses", self._on_ingress)

    def _on_ingress(self, change: str, ingress: Object) -> None:
        meta = ingress["metadata"]
        if change == "DELETED":
            self._ingresses.pop(meta["uid"], None)
            return
        self._ingresses[meta["uid"]] = ingress
        if ingress.get("status", {}).get("observedGeneration") != meta["generation"]:
            self._tasks.start(self._acknowledge(meta))

    async def _acknowledge(self, meta: Object) -> None:
        balancer = {"ingress": [{"domainInternal": GATEWAY}]}
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now()}
            for kind in ("LoadBalancerReady", "NetworkConfigured", "Ready")
        ]
        status = {
            "observedGeneration": meta["generation"],
            "conditions": conditions,
            "publicLoadBalancer": balancer,
            "privateLoadBalancer": balancer,
        }
        path = f"{_INGRESSES}/namespaces/{meta['namespace']}/ingresses/{meta['name']}/status"
        await self._api.patch(path, {"status": status})

    def _route(self, host: str) -> Object | None:
        for ingress in self._ingresses.values():
            for rule in ingress["spec"]["rules"]:
                if host in rule["hosts"]:
                    path: Object = rule["http"]["paths"][0]
                    return path
        return None

    async def _proxy(self, request: web.Request) -> web.StreamResponse:
        path = self._route(request.host.partition(":")[0])
        if path is None:
            return web.Response(status=404, text=f"no route to host {request.host}")
        splits = path["splits"]
        (split,) = random.choices(splits, [each.get("percent", 100) for each in splits])
        backends = self._services.endpoints((split["serviceNamespace"], split["serviceName"]), split["servicePort"])
        if not backends:
            return web.Response(status=503, text="no ready endpoint")
        address, port = backends[next(self._turn) % len(backends)]
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers |= (path.get("appendHeaders") or {}) | (split.get("appendHeaders") or {})
        if "rewriteHost" in path:
            headers["Host"] = path["rewriteHost"]
        return await self._pass_on(request, url=f"http://{address}:{port}{request.raw_path}", headers=headers)

    async def _pass_on(self, request: web.Request, *, url: str, headers: dict[str, str]) -> web.StreamResponse:
        try:
            async with self._client.request(
                request.method,
                url,
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
                skip_auto_headers=_INVENTED,
                timeout=aiohttp.ClientTimeout(total=_LONGEST),
            ) as answer:
                dropped = (*_HOP_BY_HOP, "content-length")
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in dropped}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
        except (aiohttp.ClientError, OSError) as error:
            return web.Response(status=503, text=f"upstream connect error: {error!r}")

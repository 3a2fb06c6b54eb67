"""What a test does to the machine from outside, over HTTP on a Unix socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.apiserver import KubeApiserver
    from tests.cluster.kubelet import Kubelet


_PASSED_ON = ("Authorization", "Content-Type")


async def serve_control(*, server: KubeApiserver, kubelet: Kubelet, hosts: Path, socket: Path) -> None:
    """Serve `POST /api-server/{pause,resume}`, `POST /pods/NAMESPACE/NAME/kill`, and `POST /inside/HOST/PATH`, which
    posts to a Service's name as a pod would: the API server's own proxy takes the sender's token away."""
    app = web.Application()
    app.router.add_post("/api-server/pause", _doing(server.pause))
    app.router.add_post("/api-server/resume", _doing(server.resume))

    async def kill(request: web.Request) -> web.Response:
        wanted = (request.match_info["namespace"], request.match_info["name"])
        for pod in list(kubelet.pods.values()):
            if (pod.namespace, pod.name) == wanted:
                for container in pod.containers:
                    container.kill()
                return web.Response()
        return web.Response(status=404, text=f"no pod {wanted} runs here")

    async def post_inside(request: web.Request) -> web.Response:
        url = f"http://{_address(hosts, request.match_info['host'])}/{request.match_info['path']}"
        headers = {name: text for name, text in request.headers.items() if name in _PASSED_ON}
        headers["Host"] = request.match_info["host"]
        async with aiohttp.request("POST", url, headers=headers, data=await request.read()) as answer:
            return web.Response(status=answer.status, body=await answer.read())

    app.router.add_post("/pods/{namespace}/{name}/kill", kill)
    app.router.add_post("/inside/{host}/{path:.*}", post_inside)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, socket).start()


def _address(hosts: Path, name: str) -> str:
    lines = [line.split() for line in hosts.read_text().splitlines()]
    return next(address for address, *names in lines if name in names)


def _doing(action: Callable[[], None]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        action()
        return web.Response()

    return handle

"""What a test does to the machine from outside, over HTTP on a Unix socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.apiserver import KubeApiserver
    from tests.cluster.kubelet import Kubelet


async def serve_control(*, server: KubeApiserver, kubelet: Kubelet, socket: Path) -> None:
    """Serve `POST /api-server/{pause,resume}` and `POST /pods/NAMESPACE/NAME/kill`."""
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

    app.router.add_post("/pods/{namespace}/{name}/kill", kill)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, socket).start()


def _doing(action: Callable[[], None]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        action()
        return web.Response()

    return handle

"""The embedded API over HTTP, on loopback and nowhere else."""

import asyncio
import ipaddress
import os
import socket
from collections.abc import Mapping

import uvicorn

from core.local.embedded.api import EmbeddedApi
from core.local.guest import GuestServer

# What Knative, Cloud Run and Cloud Functions, or Kubernetes itself, set in everything they run.
_DEPLOYMENT_SIGNS = ("K_SERVICE", "K_REVISION", "CLOUD_RUN_JOB", "KUBERNETES_SERVICE_HOST")


class EmbeddedServerError(RuntimeError):
    """The embedded API must not, or cannot, be started here."""


class EmbeddedServer:
    """Serves an EmbeddedApi inside the running event loop; an async context manager that gives the URL.

    `host` must be a loopback address; port 0 takes a free one. `environ` is looked at for signs of a
    deployment, where a store in memory that forgets everything must never stand in for the cluster.
    """

    def __init__(
        self,
        api: EmbeddedApi,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._api = api
        self._host = _loopback(host)
        self._port = port
        self._environ = environ
        self._server: GuestServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> str:
        """Listen and return the URL, without a slash at the end.

        Raises:
            EmbeddedServerError: this is a deployment, or the port is taken.
        """
        self._refuse_deployment()
        listener = self._listen()
        port = listener.getsockname()[1]
        self._server = GuestServer(_config(self._api))
        self._task = asyncio.create_task(self._server.serve([listener]))
        await self._server.ready.wait()
        shown = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{shown}:{port}"

    async def stop(self) -> None:
        """End all watches, close all connections and stop listening."""
        if self._server is None or self._task is None:
            return
        self._api.end_watches()
        self._server.stop()
        await self._task
        self._server = self._task = None

    def _refuse_deployment(self) -> None:
        signs = [name for name in _DEPLOYMENT_SIGNS if self._environ.get(name)]
        if signs:
            message = (
                f"The embedded Kubernetes API does not start in a deployment, and {' and '.join(signs)} in the "
                "environment says that this is one. It keeps everything in memory: use the cluster. If this is "
                f"a person's machine or a test after all, run it without {' and '.join(signs)}."
            )
            raise EmbeddedServerError(message)

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # With the protocol named, asyncio sets TCP_NODELAY; without it each answer waits 40 ms for an ACK.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
        except OSError as error:
            listener.close()
            message = f"The embedded Kubernetes API cannot listen on {self._host}:{self._port}: {error.strerror}"
            raise EmbeddedServerError(message) from error
        return listener


def _loopback(host: str) -> str:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        message = f"host {host!r} is not a loopback address; the embedded Kubernetes API takes 127.0.0.1 or ::1"
        raise EmbeddedServerError(message)
    return address


def _config(api: EmbeddedApi) -> uvicorn.Config:
    return uvicorn.Config(
        api.app,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        date_header=False,  # ours comes from the API's own clock
        server_header=False,
        timeout_keep_alive=75,
    )

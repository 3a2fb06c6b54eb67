"""`sluice run`: the function as in production, on the embedded Kubernetes API or on a cluster of yours."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from core.local.cluster import Cluster, embedded_cluster, is_named, named_cluster
from core.local.run.banner import show_banner, show_starting
from core.local.run.function import LOOPBACK, ChildProcess, choose_port, function_command, function_environment
from core.local.run.readiness import cluster_obstacle, ended_by_itself, function_obstacle, wait_until_ready
from core.local.running import Running, announced, state_folder
from core.local.shell import CommandError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console as Terminal

    from core.common.clock import Clock
    from core.local.viewing.reader import Reader
    from core.settings import Settings

WAIT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run: on the embedded Kubernetes API, or on the `cluster` that the environment names.

    `port` and `api_port` may be 0 for free ones; `wait` is in seconds; `page`: the console is served beside it.
    """

    settings: Settings
    console: Terminal
    clock: Clock
    port: int
    cluster: bool = False
    api_port: int = 0
    wait: float = WAIT_SECONDS
    page: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    folder: Path = field(default_factory=state_folder)
    command: Callable[[int], Sequence[str]] = function_command

    async def serve(self) -> None:
        """Serve until cancelled; then nothing is left, neither process nor file.

        Raises:
            CommandError: a port is taken, no cluster is named where one is asked for, it lacks what the gateway
                needs, it is not ready in time, or the function ended.
            ConfigurationError: KUBECONFIG cannot be used.
        """
        port = choose_port(self.port)
        url = f"http://{LOOPBACK}:{port}"
        async with AsyncExitStack() as stack:
            cluster = await self._cluster(stack)
            show_starting(self.console, cluster, url=url)
            child = await stack.enter_async_context(self._function(cluster, port))
            await wait_until_ready(
                partial(function_obstacle, url), child, seconds=self.wait, clock=self.clock, tell=self._tell
            )
            self._announce(stack, cluster, url)
            page = await self._page(stack, cluster)
            namespace = self.settings.namespace
            show_banner(self.console, cluster, url=url, page=page, namespace=namespace, now=self.clock.now())
            self._open(page)
            await child.wait()
            raise ended_by_itself(child)

    async def _cluster(self, stack: AsyncExitStack) -> Cluster:
        kubeconfig = self.environ.get("KUBECONFIG", "")
        if self.cluster:
            cluster = await named_cluster(self.settings, kubeconfig=kubeconfig, clock=self.clock)
            if missing := await cluster_obstacle(self.settings, clock=self.clock):
                raise CommandError(f"{cluster.label} cannot be used yet: {missing}")
            return cluster
        if is_named(self.settings, kubeconfig=kubeconfig):
            what = f"SLUICE_API_SERVER={self.settings.api_server}" if self.settings.api_server else "KUBECONFIG"
            self._tell(f"{what} is not used: the embedded Kubernetes API is. For your cluster: make run CLUSTER=1")
        return await stack.enter_async_context(embedded_cluster(self.settings, port=self.api_port))

    @asynccontextmanager
    async def _function(self, cluster: Cluster, port: int) -> AsyncIterator[ChildProcess]:
        environment = function_environment(cluster, self.settings, environ=self.environ)
        child = ChildProcess(command=self.command(port), env=environment)
        try:
            await child.start()
        except OSError as error:
            raise CommandError(f"functions-framework cannot be started ({error}); run `make setup`") from error
        try:
            yield child
        finally:
            await child.stop()

    async def _page(self, stack: AsyncExitStack, cluster: Cluster) -> str:
        """Serve the console, on another port where its own is taken; return its URL, empty where there is none."""
        if not self.page or not cluster.kubeconfig:
            return ""
        from core.local.console import Console  # noqa: PLC0415 - uvicorn takes a while

        try:
            reader = await asyncio.to_thread(self._reader, cluster)
            try:
                console = await stack.enter_async_context(Console(reader, clock=self.clock))
            except CommandError:
                console = await stack.enter_async_context(Console(reader, clock=self.clock, port=0))
        except CommandError as error:
            self._tell(f"There is no console: {error}")
            return ""
        return console.url

    def _open(self, page: str) -> None:
        from core.local.console import open_page  # noqa: PLC0415 - as above

        if page:
            open_page(page)

    def _reader(self, cluster: Cluster) -> Reader:
        from core.local.viewing.reader import Reader, Where  # noqa: PLC0415 - `kubernetes` takes a while

        where = Where(kubeconfig=cluster.kubeconfig, namespace=self.settings.namespace)
        return Reader(settings=self.settings, where=where)

    def _announce(self, stack: AsyncExitStack, cluster: Cluster, url: str) -> None:
        running = Running(
            pid=os.getpid(),
            url=url,
            kubeconfig=cluster.kubeconfig,
            context=cluster.context,
            server=cluster.server,
            embedded=cluster.embedded,
            namespace=self.settings.namespace,
            group=self.settings.group,
            version=self.settings.version,
        )
        try:
            stack.enter_context(announced(running, folder=self.folder))
        except OSError as error:
            self._tell(f"`make demo` will need KUBECONFIG={cluster.kubeconfig}, for {self.folder}: {error.strerror}")

    def _tell(self, sentence: str) -> None:
        self.console.print(sentence, style="yellow", markup=False, soft_wrap=True)

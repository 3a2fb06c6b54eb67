"""The console of an embedded cluster, and an open page that fails on whatever its script does wrong."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.kube.resources import remediation_requests
from core.local.cluster import embedded_cluster, open_client
from core.local.console import Console
from core.local.viewing.reader import Reader, Where
from core.settings import Settings
from tests.contract.objects import remediation_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from core.kube.client import KubeClient

SETTINGS = Settings(namespace="ns")
KIND = remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1")
ROWS = "tbody tr[data-uid]"


async def until(page: Any, expression: str) -> None:
    """Wait until the page says yes. Playwright's own wait evaluates strings, which the page's policy forbids."""
    async with asyncio.timeout(60):
        while not await page.evaluate(expression):  # noqa: ASYNC110 - a page tells no event of ours
            await asyncio.sleep(0.05)


class World:
    """RRs in the embedded cluster, and the page that shows them."""

    def __init__(self, client: KubeClient, page: Any, console: Console) -> None:
        self._client = client
        self.page = page
        self.console = console
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda line: self.wrong.append(line.text) if line.type == "error" else None)

    async def create(self, name: str, *, count: int = 1, phase: str = "", **spec: Any) -> None:
        deadline = Deadline(clock=RealClock(), seconds=120)
        await self._client.create(KIND, remediation_request(name, **spec), namespace="ns", deadline=deadline)
        if count > 1:
            await self.count(name, count)
        if phase:
            await self.write_status(name, overallPhase=phase)

    async def count(self, name: str, number: int) -> None:
        seen = {"firstSeenAt": "2026-01-02T03:00:00Z", "lastSeenAt": "2026-01-02T03:04:00Z"}
        await self.write_status(name, deduplication={"occurrenceCount": number, **seen})

    async def write_status(self, name: str, **status: Any) -> None:
        deadline = Deadline(clock=RealClock(), seconds=120)
        await self._client.patch_status(KIND, {"status": status}, namespace="ns", name=name, deadline=deadline)

    async def open(self) -> Any:
        await self.page.goto(self.console.url)
        await self.page.wait_for_selector("#state.live", timeout=60_000)
        return self.page

    async def rows(self, number: int) -> list[str]:
        """All that are drawn, once there are so many in sum."""
        await until(self.page, f"document.querySelector('#rrs').textContent === '{number:,}'")
        return [await row.inner_text() for row in await self.page.query_selector_all(ROWS)]


@asynccontextmanager
async def serving(browser: Any, **options: Any) -> AsyncIterator[World]:
    async with embedded_cluster(SETTINGS) as cluster:
        os.environ["KUBECONFIG"] = cluster.kubeconfig
        reader = Reader(settings=SETTINGS, where=Where(kubeconfig=cluster.kubeconfig, namespace="ns"))
        page = await browser.new_page(**options)
        async with (
            open_client(SETTINGS, clock=RealClock()) as client,
            Console(reader, clock=RealClock(), port=0) as console,
        ):
            world = World(client, page, console)
            yield world
            await page.close()
            assert world.wrong == []

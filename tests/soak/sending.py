"""An open loop: posts leave at the rate, whatever the answers take, as those of many senders do."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from tests.soak.traffic import Post, Traffic

_PATIENCE = aiohttp.ClientTimeout(total=15)


class Sender:
    """Sends what `traffic` draws to one function, and tells it each answer."""

    def __init__(self, session: aiohttp.ClientSession, url: str, traffic: Traffic) -> None:
        self._session = session
        self._url = url
        self._traffic = traffic
        self.answered = 0

    async def send_for(self, seconds: float, *, rate: float) -> None:
        """Send `rate` posts a second, and return when all are answered."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as posts:
            for number in range(int(seconds * rate)):
                await asyncio.sleep(began + number / rate - time.monotonic())
                posts.create_task(self._send(self._traffic.draw()))

    async def _send(self, post: Post) -> None:
        self._traffic.note_sent(post)
        self._traffic.note_answer(post, await self._status(post))
        self.answered += 1

    async def _status(self, post: Post) -> int:
        method, path = ("GET", "/readyz") if post.kind == "probe" else ("POST", "/")
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                method, self._url + path, data=post.body or None, headers=headers, timeout=_PATIENCE
            ) as reply:
                await reply.read()
                return reply.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

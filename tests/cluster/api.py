"""A bare client of the API server, and a watch that keeps a table of objects."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

Object = dict[str, Any]

MERGE = "application/merge-patch+json"
_PAUSE = 0.5  # seconds before a watch that broke begins again
_LINE_BYTES = 2**24


class Api:
    """The API server as its admin sees it; an async context manager."""

    def __init__(self, *, url: str, token: str, ca_file: Path) -> None:
        self.url, self.ca_file = url, ca_file
        self._token = token
        self._session: aiohttp.ClientSession

    @property
    def port(self) -> str:
        """Of https, in figures."""
        return self.url.rpartition(":")[2]

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        self._session = aiohttp.ClientSession(
            self.url,
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            headers={"Authorization": f"Bearer {self._token}"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, body: Object | None = None, *, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """One call; status and body. The API server may be away for a while: then it is asked again."""
        data = None if body is None else json.dumps(body)
        while True:
            try:
                async with self._session.request(
                    method, path, data=data, headers={"Content-Type": content_type}
                ) as answer:
                    text = await answer.text()
                    return answer.status, json.loads(text) if text.startswith("{") else text
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(_PAUSE)

    async def patch(self, path: str, body: Object) -> tuple[int, Any]:
        """A merge patch."""
        return await self.call("PATCH", path, body, content_type=MERGE)

    async def watch(self, path: str, on: Callable[[str, Object], None]) -> None:
        """List, then watch, for ever; `on` gets ADDED, MODIFIED or DELETED, and the object."""
        known: dict[str, Object] = {}
        while True:
            try:
                version = await self._list(path, on, known)
                await self._follow(f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=3000", on, known)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                sys.stderr.write(f"watch of {path}: {error!r}\n")
                await asyncio.sleep(_PAUSE)

    async def _list(self, path: str, on: Callable[[str, Object], None], known: dict[str, Object]) -> str:
        status, listed = await self.call("GET", path)
        if status != 200:  # a kind that is not defined yet
            raise ValueError(status)
        now = {each["metadata"]["uid"]: each for each in listed["items"]}
        for uid in known.keys() - now.keys():
            on("DELETED", known.pop(uid))
        for uid, each in now.items():
            on("MODIFIED" if uid in known else "ADDED", each)
        known.update(now)
        return str(listed["metadata"]["resourceVersion"])

    async def _follow(self, url: str, on: Callable[[str, Object], None], known: dict[str, Object]) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(url, timeout=timeout, read_bufsize=_LINE_BYTES) as stream:
            async for line in stream.content:
                change = json.loads(line)
                if change["type"] in ("ERROR", "BOOKMARK"):
                    return
                uid = change["object"]["metadata"]["uid"]
                if change["type"] == "DELETED":
                    known.pop(uid, None)
                else:
                    known[uid] = change["object"]
                on(change["type"], change["object"])


class Spawned:
    """Tasks that nobody awaits; kept, for the loop holds them weakly."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run it beside all others."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            sys.stderr.write(f"task ended: {task.exception()!r}\n")

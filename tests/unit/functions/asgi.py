"""Calls an ASGI application as a server would, with the senders that servers meet."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Answered:
    """What came back, and how many chunks of the body were read for it."""

    status: int
    headers: CIMultiDict[str]
    body: bytes
    chunks_read: int

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    def problem(self, status: int) -> str:
        """Check that this is a problem with `status` and no stack trace in it; return its detail."""
        assert (self.status, self.headers["content-type"]) == (status, PROBLEM), self.body
        body = self.json
        assert body["status"] == status
        assert {"type", "title", "detail", "summary", "results"} <= body.keys()
        assert b"Traceback" not in self.body
        assert b".py" not in self.body
        detail: str = body["detail"]
        return detail


async def call(
    app: Any,
    method: str,
    path: str = "/",
    *,
    body: bytes | Sequence[bytes] = b"",
    headers: Mapping[str, str] | None = None,
    then: str = "",
) -> Answered:
    """Send one request. `body` may be several chunks; after them the sender may `stall` or go `away`."""
    chunks = [body] if isinstance(body, bytes) else list(body)
    sent: list[Any] = []
    read = 0

    async def receive() -> Any:
        nonlocal read
        if read < len(chunks):
            read += 1
            return {"type": "http.request", "body": chunks[read - 1], "more_body": bool(then) or read < len(chunks)}
        if then == "stall":
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": ("192.0.2.1", 1),
        "server": ("sluice", 80),
    }
    await app(scope, receive, send)
    start, *rest = sent
    assert start["type"] == "http.response.start"
    assert all(message["type"] == "http.response.body" for message in rest)
    answer = CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
    return Answered(start["status"], answer, b"".join(message["body"] for message in rest), read)

"""Blocking HTTP/1.1 to loopback, for tests of whole processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.waiting import HANGS_AFTER

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Header names are as the server wrote them, in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(
    method: str,
    url: str,
    body: bytes | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = HANGS_AFTER,
) -> Answer:
    """Send one request on a connection of its own.

    Raises OSError or http.client.HTTPException when no answer comes within `timeout` seconds.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=names, body=response.read())
    finally:
        connection.close()


def send_json(
    method: str, url: str, body: object, *, headers: Mapping[str, str] | None = None, timeout: float = HANGS_AFTER
) -> Answer:
    """Send `body` as JSON."""
    content = {"Content-Type": "application/json", **(headers or {})}
    return send(method, url, json.dumps(body).encode(), headers=content, timeout=timeout)

"""Public JSON documents of other servers, such as the keys of an issuer: one connection for each, no redirects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic_core import from_json

from core.kube.connection import Connection

if TYPE_CHECKING:
    import ssl

LONGEST_DOCUMENT = 1024 * 1024
"""Bytes; an issuer's keys take some kB."""

_PORTS = {"http": 80, "https": 443}


async def fetch_document(
    url: str, *, timeout: float, user_agent: str, tls: ssl.SSLContext | None = None
) -> dict[str, Any]:
    """Return the JSON object at `url`, without any credentials.

    Args:
        url: http or https.
        timeout: seconds for the whole of it.
        user_agent: who asks.
        tls: what to trust; the system's authorities (or those of SSL_CERT_FILE) where None.

    Raises:
        OSError: no whole answer in time; TimeoutError is one.
        ValueError: it is not a URL, or the answer is not a JSON object with a status of success.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
        message = f"{url!r} is no URL"
        raise ValueError(message)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUser-Agent: {user_agent}\r\n"
    async with asyncio.timeout(timeout):
        connection = await Connection.open(
            host=parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            tls=(tls or True) if parts.scheme == "https" else None,
            timeout=timeout,
        )
        try:
            answer = await connection.call(
                f"{head}Accept: application/json,application/jwk-set+json\r\nConnection: close\r\n\r\n".encode()
            )
        finally:
            connection.abort()
    if answer.status != 200 or len(answer.body) > LONGEST_DOCUMENT:
        message = f"{url} answered {answer.status} with {len(answer.body)} bytes"
        raise ValueError(message)
    document = from_json(answer.body)
    if not isinstance(document, dict):
        message = f"{url} holds no JSON object"
        raise ValueError(message)  # noqa: TRY004 - it is what was sent, not a caller's mistake
    return document

"""HTTP to one API server: kept connections, one call at a time per connection, no retries of its own.

But aiohttp sends a GET, PUT or DELETE once more where the server closed the connection without a word, as it
does with connections kept too long (RFC 9112, section 9.3.1). Preconditions make that harmless.

aiohttp is what `kubernetes.aio` itself sends with; it is used directly because importing the generated
client costs 0.4 s at a cold start and nothing here needs its models.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp

from core.kube.credentials import TokenSource
from core.kube.errors import ApiUnreachableError

_CONNECT_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One call: `path` starts with a slash; `query` values are not yet escaped."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An answer, whatever its status; header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """The way to the API server; the simulation and the embedded API bring their own."""

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        """Send one call.

        Raises:
            ApiUnreachableError: no complete answer within `timeout` seconds.
        """

    async def close(self) -> None:
        """Close all connections."""


class HttpTransport:
    """Transport over aiohttp. Make it inside the event loop that uses it, never before a fork."""

    def __init__(
        self,
        *,
        server: str,
        tls: ssl.SSLContext | None,
        tokens: TokenSource,
        user_agent: str,
        connections: int,
    ) -> None:
        self._server = server.rstrip("/")
        self._tokens = tokens
        connector = aiohttp.TCPConnector(
            limit=connections, ssl=tls if tls is not None else True, keepalive_timeout=55.0
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": user_agent},
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        """Send one call; see Transport."""
        headers = {"Accept": request.accept}
        token = await self._token(timeout)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        try:
            async with self._session.request(
                request.method,
                self._server + request.path,
                params=request.query or None,
                data=request.body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_TIMEOUT_SECONDS),
                allow_redirects=False,
            ) as response:
                return ApiResponse(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachableError(self._sentence(request, error, timeout)) from error

    async def _token(self, timeout: float) -> str:
        try:
            async with asyncio.timeout(timeout):
                return await self._tokens.token()
        except Exception as error:  # files, plugins and google-auth fail each in their own way
            why = f"none in {timeout:.1f} s" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise ApiUnreachableError(f"no credentials for the Kubernetes API at {self._server}: {why}") from error

    def _sentence(self, request: ApiRequest, error: Exception, timeout: float) -> str:
        why = f"no answer in {timeout:.1f} s" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        return f"the Kubernetes API at {self._server} did not answer {request.method} {request.path}: {why}"

    async def close(self) -> None:
        """Close all connections and give the loop one turn to see them closed."""
        await self._session.close()
        await asyncio.sleep(0)

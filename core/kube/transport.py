"""HTTP to one API server: calls over kept connections, with the credentials of the moment. No secret is ever logged.

A GET, PUT or DELETE is sent once more where the server closed the connection without any answer, as it does with
connections kept too long (RFC 9112, section 9.3.1). Preconditions make that harmless. A POST or PATCH never is.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from core.common.trace_context import current_span
from core.errors import ConfigurationError
from core.kube.connection import ApiResponse, Connection, ConnectionBrokenError, ConnectionPool
from core.kube.errors import ApiUnreachableError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from google.auth.credentials import Credentials

    from core.common.clock import Clock


_FILE_REREAD_SECONDS = 60.0  # the kubelet rotates a projected token at 80 % of its life, an hour or more
_GOOGLE_MARGIN = timedelta(minutes=4)

__all__ = ["ApiRequest", "ApiResponse", "HttpTransport", "Transport"]
CONNECT_TIMEOUT_SECONDS = 2.0
_REPEATABLE = ("GET", "PUT", "DELETE")
_PORTS = {"http": 80, "https": 443}
_PATH_CHARACTERS = "/:@!$&'()*+,;=~"  # RFC 3986, section 3.3


class TokenSource(Protocol):
    """Where the Authorization header comes from."""

    async def token(self) -> str:
        """Return a bearer token that is good now, or an empty string for none."""


class StaticToken:
    """A token that never changes, or none."""

    def __init__(self, value: str = "") -> None:
        self._value = value

    async def token(self) -> str:
        """Return the token."""
        return self._value


class FileToken:
    """A projected service account token, read again every minute.

    Where the file is gone or empty for a while, the last good token serves on: the API server takes it until it
    ends, and says so when it does. `warn` gets a sentence, once until the file can be read again.
    """

    def __init__(self, *, path: Path, clock: Clock, warn: Callable[[str], None] = lambda _: None) -> None:
        self._path = path
        self._clock = clock
        self._warn = warn
        self._value = ""
        self._read_at = float("-inf")
        self._warned = False

    async def token(self) -> str:
        """Return the file's content. A local file of 1 KB is read in place: a thread would cost more.

        Raises:
            OSError, ValueError: it cannot be read, or is empty, and never was otherwise.
        """
        if self._clock.monotonic() - self._read_at > _FILE_REREAD_SECONDS:
            self._reread()
        return self._value

    def _reread(self) -> None:
        try:
            self._value = self._content()
        except (OSError, ValueError) as error:
            if not self._value:
                raise
            if not self._warned:
                self._warn(f"the last good token is used on, for the token file cannot be read: {error}")
            self._warned = True
        else:
            self._read_at = self._clock.monotonic()
            self._warned = False

    def _content(self) -> str:
        content = self._path.read_text().strip()
        if not content:
            message = f"{self._path} is empty"
            raise ValueError(message)
        return content


class HookToken:
    """A token that a kubeconfig's user entry yields, such as an exec plugin's; `fetch` is asked every minute."""

    def __init__(self, *, fetch: Callable[[], Awaitable[str]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._value = ""
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return the token, fetched again where a minute has passed; callers at once share one fetch."""
        async with self._lock:
            if self._clock.monotonic() - self._fetched_at > _FILE_REREAD_SECONDS:
                self._value = await self._fetch()
                self._fetched_at = self._clock.monotonic()
        return self._value


class GoogleToken:
    """An access token of the function's Google service account, refreshed minutes before it ends."""

    def __init__(self, *, credentials: Credentials, refresh: Callable[[], None], clock: Clock) -> None:
        self._credentials = credentials
        self._refresh = refresh
        self._clock = clock
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return the access token; google-auth blocks, so the refresh runs in a thread."""
        async with self._lock:
            if not self._fresh():
                await asyncio.to_thread(self._refresh)
        return str(self._credentials.token)

    def _fresh(self) -> bool:
        expiry: datetime | None = self._credentials.expiry
        if not self._credentials.token:
            return False
        return expiry is None or expiry.replace(tzinfo=UTC) - self._clock.now() > _GOOGLE_MARGIN


class ApiRequest(NamedTuple):
    """One call: `path` starts with a slash; neither it nor `query` is escaped yet."""

    method: str
    path: str
    query: Mapping[str, str] = MappingProxyType({})
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body) if self.body else 0


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
    """Transport over HTTP/1.1. Make it inside the event loop that uses it, never before a fork."""

    def __init__(
        self,
        *,
        server: str,
        tls: ssl.SSLContext | None,
        tokens: TokenSource,
        user_agent: str,
        connections: int,
        server_name: str = "",
        connect_timeout: float = CONNECT_TIMEOUT_SECONDS,
    ) -> None:
        self._server = server.rstrip("/")
        self._tokens = tokens
        url = _parsed(self._server)
        self._prefix = url.path
        self._fixed = f"Host: {url.netloc.rpartition('@')[2]}\r\nUser-Agent: {user_agent}\r\nAccept-Encoding: gzip\r\n"
        opened = partial(
            Connection.open,
            host=url.hostname or "",
            port=url.port or _PORTS[url.scheme],
            # The URL decides: a token must never go over https:// unencrypted for want of a context.
            tls=(tls or True) if url.scheme == "https" else None,
            server_name=server_name,
            timeout=connect_timeout,
        )
        self._pool = ConnectionPool(open_connection=opened, limit=connections)

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        """Send one call; see Transport."""
        token = None
        try:
            async with asyncio.timeout(timeout):
                token = await self._token()
                return await self._exchange(request, self._head(request, token) + (request.body or b""))
        except TimeoutError as error:
            if token is None:
                raise self._no_credentials(f"none in {timeout:.1f} s") from error
            why = f"no answer in {timeout:.1f} s"
            raise self._no_answer(request, why, told=why) from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that is no name
            raise self._no_answer(request, _words(error)) from error

    async def _exchange(self, request: ApiRequest, message: bytes) -> ApiResponse:
        try:
            return await self._call(message)
        except ConnectionBrokenError as error:
            if not error.silent or request.method not in _REPEATABLE:
                raise
            return await self._call(message)

    async def _call(self, message: bytes) -> ApiResponse:
        async with self._pool.connection() as connection:
            return await connection.call(message)

    def _head(self, request: ApiRequest, token: str) -> bytes:
        target = self._prefix + quote(request.path, safe=_PATH_CHARACTERS)
        if request.query:
            target += "?" + urlencode(request.query, quote_via=quote)
        head = f"{request.method} {target} HTTP/1.1\r\n{self._fixed}Accept: {request.accept}\r\n"
        if token:
            head += f"Authorization: Bearer {token}\r\n"
        if request.body is not None:
            head += f"Content-Type: {request.content_type}\r\nContent-Length: {len(request.body)}\r\n"
        if trace := current_span.get().context:  # None unless traces are on
            head += f"traceparent: {trace.traceparent}\r\n"
            if trace.state:
                head += f"tracestate: {trace.state}\r\n"
        return (head + "\r\n").encode("ascii")

    async def _token(self) -> str:
        try:
            return _checked(await self._tokens.token())
        except TimeoutError:
            raise
        except Exception as error:  # files, plugins and google-auth fail each in their own way
            raise self._no_credentials(_words(error)) from error

    def _no_credentials(self, why: str) -> ApiUnreachableError:
        return ApiUnreachableError(
            f"no credentials for the Kubernetes API at {self._server}: {why}",
            told="the gateway has no credentials for the Kubernetes API; its log says why",
        )

    def _no_answer(
        self, request: ApiRequest, why: str, *, told: str = "the gateway's log says why"
    ) -> ApiUnreachableError:
        """Return the error; `why` may be the system's words, addresses and all, `told` is for senders."""
        call = f"{request.method} {request.path}"
        return ApiUnreachableError(
            f"the Kubernetes API at {self._server} did not answer {call}: {why}",
            told=f"the Kubernetes API did not answer {call}: {told}",
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()


def _parsed(server: str) -> SplitResult:
    url = urlsplit(server)
    try:
        if url.scheme in _PORTS and url.hostname and (url.port is None or url.port):
            return url
        why = "it takes the form https://host:port"
    except ValueError as error:
        why = str(error)
    raise ConfigurationError(f"the API server's URL {server!r} cannot be used: {why}")


def _checked(token: str) -> str:
    if not (token.isascii() and token.isprintable()):
        message = "the token has characters that no header may hold"
        raise ValueError(message)
    return token


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__

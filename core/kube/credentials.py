"""Bearer tokens, each source with its own way to stay fresh. No secret is ever logged."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.common.clock import Clock

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_FILE_REREAD_SECONDS = 60.0  # the kubelet rotates a projected token at 80 % of its life, an hour or more
_GOOGLE_MARGIN = timedelta(minutes=4)


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

    def __init__(self, *, credentials: "Credentials", refresh: Callable[[], None], clock: Clock) -> None:
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

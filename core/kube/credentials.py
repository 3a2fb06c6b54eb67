"""Bearer tokens, each source with its own way to stay fresh. No secret is ever logged."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.clock import Clock

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
    """A projected service account token, read again every minute."""

    def __init__(self, *, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._value = ""
        self._read_at = float("-inf")

    async def token(self) -> str:
        """Return the file's content. A local file of 1 KB is read in place: a thread would cost more."""
        if self._clock.monotonic() - self._read_at > _FILE_REREAD_SECONDS:
            self._value = self._path.read_text().strip()
            self._read_at = self._clock.monotonic()
        return self._value


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

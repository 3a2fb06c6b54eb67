"""The keys of token issuers (OpenID Connect Discovery 1.0, RFC 7517): read once, kept, and read again when they turn.

What strangers send costs an issuer little: an unknown key is looked for at most every REFRESH_SECONDS, by one
reading at a time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from core.common.resilience import Deadline
from core.errors import DeadlineExceededError, TransientError
from core.kube.documents import fetch_document
from core.kube.errors import KubernetesError
from core.version import USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jwt import PyJWK

    from core.common.clock import Clock
    from core.kube.client import KubeClient

DISCOVERY = "/.well-known/openid-configuration"

REFRESH_SECONDS = 30.0
"""At least so long between two readings after an unknown key or a failure."""

FRESH_SECONDS = 3600.0
"""After this the keys are read again, so that one that the issuer took back is not taken for ever."""

STALE_SECONDS = 24 * 3600.0
"""Keys of up to this age are used while the issuer cannot be reached."""

_READING_SECONDS = 5.0
_MOST_KEYS = 100
ALGORITHMS = frozenset(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"))
"""Accepted signatures, all of them asymmetric: with a symmetric one, whoever reads the public key could sign."""


class Source(Protocol):
    """Where the documents of one issuer are.

    Attributes:
        name: the `iss` of its tokens; empty where only its documents tell.
    """

    name: str

    async def discover(self, *, deadline: Deadline) -> tuple[str, str]:
        """Return the issuer's name and where its keys are."""

    async def keys(self, where: str, *, deadline: Deadline) -> Mapping[str, Any]:
        """Return its keys (RFC 7517, JWK Set)."""


class WebIssuer:
    """An issuer by its URL, which is its name too."""

    def __init__(self, url: str) -> None:
        self.name = self._url = url

    async def discover(self, *, deadline: Deadline) -> tuple[str, str]:
        """Read its metadata. See Source."""
        document = await self._read(self._url.rstrip("/") + DISCOVERY, deadline)
        if document.get("issuer") != self._url:  # OpenID Connect Discovery 1.0, section 4.3
            message = f"the metadata of {self._url} are those of another issuer"
            raise ValueError(message)
        where = _jwks_uri(document)
        if self._url.startswith("https:") and not where.startswith("https:"):
            message = f"{self._url} has its keys at {where}, where anybody on the way can change them"
            raise ValueError(message)
        return self._url, where

    async def keys(self, where: str, *, deadline: Deadline) -> Mapping[str, Any]:
        """Read its keys. See Source."""
        return await self._read(where, deadline)

    async def _read(self, url: str, deadline: Deadline) -> dict[str, Any]:
        return await fetch_document(url, timeout=deadline.remaining(), user_agent=USER_AGENT)


class ClusterIssuer:
    """The cluster's own issuer of service account tokens, by the API server (KEP-1393): no outside name needed."""

    _KEYS = "/openid/v1/jwks"

    def __init__(self, client: KubeClient) -> None:
        self.name = ""
        self._client = client

    async def discover(self, *, deadline: Deadline) -> tuple[str, str]:
        """Ask for its name. Its keys are read from the API server itself, whatever address the document gives."""
        name = (await self._client.document(DISCOVERY, deadline=deadline)).get("issuer")
        if not isinstance(name, str) or not name:
            message = f"the API server's {DISCOVERY} names no issuer"
            raise ValueError(message)
        return name, self._KEYS

    async def keys(self, where: str, *, deadline: Deadline) -> Mapping[str, Any]:
        """Read its keys. See Source."""
        return await self._client.document(where, deadline=deadline)


class Issuer:
    """The name and the keys of one issuer.

    Args:
        source: where they are.
        clock: for their age.
        warn: gets a sentence where they cannot be read; senders get none of its details.
    """

    def __init__(self, *, source: Source, clock: Clock, warn: Callable[[str], None]) -> None:
        self._source = source
        self._clock = clock
        self._warn = warn
        self._name = source.name
        self._keys: dict[str, PyJWK] = {}
        self._read_at = self._tried_at = float("-inf")
        self._failed = False
        self._reading: asyncio.Task[None] | None = None

    @property
    def known_name(self) -> str:
        """The `iss` of its tokens, as far as it is known without reading anything."""
        return self._name

    async def name(self, *, deadline: Deadline) -> str:
        """Return the `iss` of its tokens.

        Raises:
            TransientError: it could not be read, now or a moment ago.
        """
        if not self._name:
            await self._refresh(deadline)
        if not self._name:
            raise _unreadable()
        return self._name

    async def key(self, kid: str, *, deadline: Deadline) -> PyJWK | None:
        """Return its key of that id, or None where it has none.

        Raises:
            TransientError: they could not be read, and it may be a new one.
        """
        if self._age() > FRESH_SECONDS or kid not in self._keys:
            await self._refresh(deadline)
        if self._age() > STALE_SECONDS or (self._failed and kid not in self._keys):
            raise _unreadable()
        return self._keys.get(kid)

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at

    async def _refresh(self, deadline: Deadline) -> None:
        """Read the keys unless that was tried a moment ago; all who want it wait for the one reading."""
        reading = self._reading
        if reading is None:
            if self._clock.monotonic() - self._tried_at < REFRESH_SECONDS:
                return
            self._tried_at = self._clock.monotonic()
            reading = self._reading = asyncio.create_task(self._read())
        await asyncio.wait({reading}, timeout=deadline.remaining())
        if not reading.done():
            raise DeadlineExceededError("the keys of the token's issuer were not there in time")
        reading.result()

    async def _read(self) -> None:
        try:
            deadline = Deadline(clock=self._clock, seconds=_READING_SECONDS)
            name, where = await self._source.discover(deadline=deadline)
            keys = _usable(await self._source.keys(where, deadline=deadline))
        except (KubernetesError, TransientError, OSError, ValueError) as error:
            self._failed = True
            why = str(error) or type(error).__name__
            self._warn(f"the keys that senders' tokens are checked with cannot be read: {why}")
        else:
            self._name, self._keys, self._failed = name, keys, False
            self._read_at = self._clock.monotonic()
        finally:
            self._reading = None


def _usable(document: Mapping[str, Any]) -> dict[str, PyJWK]:
    """Return the keys for signatures, by id; what is no such key is left out (RFC 7517, section 5)."""
    from jwt import PyJWK  # noqa: PLC0415 - a cold start pays for it only where tokens come
    from jwt.exceptions import PyJWTError  # noqa: PLC0415

    listed = document.get("keys")
    if not isinstance(listed, list):
        message = "the issuer's document has no list of keys"
        raise ValueError(message)  # noqa: TRY004 - as in core.kube.documents
    keys = {}
    for each in listed[:_MOST_KEYS]:
        try:
            key = PyJWK(each)
        except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if key.key_id and key.algorithm_name in ALGORITHMS and key.public_key_use in (None, "sig"):
            keys[key.key_id] = key
    return keys


def _jwks_uri(document: Mapping[str, Any]) -> str:
    where = document.get("jwks_uri")
    if not isinstance(where, str) or not where:
        message = "the issuer's metadata have no jwks_uri"
        raise ValueError(message)
    return where


def _unreadable() -> TransientError:
    return TransientError("the keys of the token's issuer cannot be read at the moment", retry_after=5.0)

"""A secret that senders outside any cluster share with us, in a mounted file: two lines while it is being changed."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from core.admission.gate import can_be_token
from core.errors import TransientError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.common.clock import Clock
    from core.common.resilience import Deadline

SENDER = "shared-secret"
"""Name of every sender that shows a secret: a shared secret cannot tell them apart."""

LEAST_CHARACTERS = 32
MOST_SECRETS = 2

_LOOK_SECONDS = 1.0
_LARGEST_FILE = 64 * 1024

_Mark = tuple[int, int, int]


class SharedSecret:
    """SLUICE_AUTH=secret.

    The file is looked at every second and read again once it has changed. Where it is gone or wrong nobody is let
    in by it, and senders are asked to try again.

    Args:
        path: one secret a line, one or two.
        clock: for the time between two looks.
        warn: gets a sentence, once for each change, where the file cannot be used.
    """

    def __init__(self, *, path: Path, clock: Clock, warn: Callable[[str], None]) -> None:
        self._path = path
        self._clock = clock
        self._warn = warn
        self._digests: list[bytes] = []
        self._mark: _Mark | None = None
        self._looked_at = float("-inf")
        self._problem = ""

    async def check(self, token: str, *, deadline: Deadline) -> str:  # noqa: ARG002 - as every Authenticator
        """Compare in a time that tells nothing of the secrets. See core.admission.gate.Authenticator."""
        self._look()
        if not self._digests:
            raise TransientError("the senders' shared secret cannot be read at the moment", retry_after=5.0)
        given = hashlib.sha256(token.encode()).digest()
        matches = [hmac.compare_digest(given, each) for each in self._digests]
        if not any(matches):
            raise UnauthenticatedError("the bearer token is not the shared secret")
        return SENDER

    def _look(self) -> None:
        now = self._clock.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            mark = _mark(self._path)
            if mark != self._mark:
                self._digests = [hashlib.sha256(each.encode()).digest() for each in read_secrets(self._path)]
                self._mark, self._problem = mark, ""
        except (OSError, ValueError) as error:
            self._digests, self._mark = [], None
            if str(error) != self._problem:
                self._warn(f"nobody is let in by the shared secret: {error}")
            self._problem = str(error)


def read_secrets(path: Path) -> list[str]:
    """Return the secrets in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds none, too many, or one that is too easy to guess or cannot be sent.
    """
    with path.open("rb") as file:
        content = file.read(_LARGEST_FILE).decode("ascii", "replace")
    secrets = [line.strip() for line in content.splitlines() if line.strip()]
    if not 1 <= len(secrets) <= MOST_SECRETS:
        message = f"{path} has {len(secrets)} lines; it takes one secret, or two while it is being changed"
        raise ValueError(message)
    for number, secret in enumerate(secrets, 1):
        if len(secret) < LEAST_CHARACTERS or not can_be_token(secret):
            message = (
                f"line {number} of {path} is no secret: one has {LEAST_CHARACTERS} or more of A-Z a-z 0-9 - . _ ~ + /; "
                "`openssl rand -hex 32` makes one"
            )
            raise ValueError(message)
    return secrets


def _mark(path: Path) -> _Mark:
    """Return what changes with the file: a mounted Secret is exchanged whole, others are written in place."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size

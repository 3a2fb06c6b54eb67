"""What headers say beside a body: which request this is, when it was sent, and how its answer is to be handled."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from core.common.text import excerpt
from core.errors import PayloadError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

REQUEST_ID = "X-Request-ID"
TIMESTAMP = "X-Timestamp"

TIMESTAMP_TOLERANCE_SECONDS = 300
"""How long after its X-Timestamp a request is taken (kubernaut: 5 minutes); a Broker's last try is 205 s late."""

CLOCK_SKEW_SECONDS = 120
"""How far a sender's clock may be ahead (kubernaut: clockSkewTolerance)."""

STANDARD = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer. No browser is meant to read one; these keep it from making more of it than data."""

_IDENTITY = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_SECONDS = re.compile(r"[0-9]{1,12}")


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the X-Request-ID that the sender gave, or a new one where it gave none that can be logged as it is."""
    given = headers.get(REQUEST_ID, "")
    return given if _IDENTITY.fullmatch(given) else os.urandom(16).hex()


def check_timestamp(headers: Mapping[str, str], *, now: datetime) -> None:
    """Refuse a request whose X-Timestamp says that it is a recorded one, or that its sender's clock is wrong.

    Most senders cannot set a header that changes, so one is not asked for; who sends it wants it heeded.

    Args:
        headers: of the request; names in any case.
        now: timezone-aware.

    Raises:
        PayloadError: X-Timestamp is no count of seconds since 1970, or too far from now.
    """
    given = headers.get(TIMESTAMP)
    if given is None:
        return
    if not _SECONDS.fullmatch(given):
        raise _refused(f"{TIMESTAMP} is {excerpt(given)}; send whole seconds since 1970 (UTC), or leave it out")
    age = now.timestamp() - int(given)
    if age > TIMESTAMP_TOLERANCE_SECONDS:
        raise _refused(
            f"{TIMESTAMP} is {given}, {age:.0f} seconds ago; more than {TIMESTAMP_TOLERANCE_SECONDS} are taken for a "
            "replay: send a new request, and look at the sender's clock"
        )
    if age < -CLOCK_SKEW_SECONDS:
        raise _refused(
            f"{TIMESTAMP} is {given}, {-age:.0f} seconds in the future, the limit is {CLOCK_SKEW_SECONDS}: look at the "
            "sender's clock"
        )


def _refused(sentence: str) -> PayloadError:
    return PayloadError(sentence, field=TIMESTAMP, reason="timestamp")

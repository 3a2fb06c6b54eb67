"""What headers say beside a body: when a request was sent, and how browsers are to treat its answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.common.text import excerpt
from core.errors import PayloadError
from core.signals.kubernaut import TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

REQUEST_ID = "X-Request-ID"

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
"""On every answer. They keep a browser, which has no business here, from taking an answer for more than data."""

KUBERNAUT_HEADERS = {"X-XSS-Protection": "1; mode=block"}
"""On every answer with SLUICE_PROFILE=kubernaut: browsers of today know it no more (kubernaut: SecurityHeaders)."""

CROSS_ORIGIN = {"Access-Control-Allow-Origin": "*"}
"""A page of any origin may read such an answer, and sends no credentials of its own (Fetch standard, CORS protocol;
kubernaut: cors.DefaultOptions)."""

PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": f"Accept, Authorization, Content-Type, {REQUEST_ID}, {TIMESTAMP}",
    "Access-Control-Max-Age": "300",
}
"""The answer to a browser that asks before it lets a page send (preflight)."""

_SECONDS = re.compile(r"[0-9]{1,12}")


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Tell whether a browser asks what a page of another origin may send."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def check_timestamp(given: str, *, now: datetime) -> None:
    """Refuse a request whose X-Timestamp says that it is a recorded one, or that its sender's clock is wrong.

    Most senders cannot set a header that changes, so it is optional.

    Args:
        given: the header's value.
        now: timezone-aware.

    Raises:
        PayloadError: it is not a count of seconds since 1970, or too far from now.
    """
    if not _SECONDS.fullmatch(given):
        raise _refused(
            f"{TIMESTAMP} is {excerpt(given)}, an invalid format; send whole seconds since 1970 (UTC), or leave it out"
        )
    age = now.timestamp() - int(given)
    if age > TIMESTAMP_TOLERANCE_SECONDS:
        raise _refused(
            f"timestamp too old: {TIMESTAMP} is {given}, {age:.0f} seconds ago; more than "
            f"{TIMESTAMP_TOLERANCE_SECONDS} are taken for a replay: send a new request, and look at the sender's clock"
        )
    if age < -CLOCK_SKEW_SECONDS:
        raise _refused(
            f"timestamp in future: {TIMESTAMP} is {given}, {-age:.0f} seconds in the future, the limit is "
            f"{CLOCK_SKEW_SECONDS}: look at the sender's clock"
        )


def _refused(sentence: str) -> PayloadError:
    return PayloadError(sentence, field=TIMESTAMP, reason="timestamp")

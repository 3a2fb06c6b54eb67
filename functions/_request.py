"""One HTTP request: what its headers say beside the body, and the body, never read past what one instance can hold.

Bodies share a budget of bytes. Those that find no room wait in the senders' own buffers, and are then shed. Without it
the memory would be what senders make of it: as many connections as there are, times SLUICE_MAX_BODY.
"""

from __future__ import annotations

import asyncio
import os
import re
from functools import partial
from typing import TYPE_CHECKING

from core.common.text import excerpt
from core.errors import (
    DeadlineExceededError,
    PayloadError,
    PayloadTooLargeError,
    UnsupportedPayloadError,
)
from core.signals.kubernaut import TIMESTAMP
from functions._packing import ENCODINGS, Unpacker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from starlette.requests import Request

    from core.common.resilience import Share

    MakeRoom = Callable[[int], Awaitable[None]]

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
"""On every answer. No browser is meant to read one; these keep it from making more of it than data."""

KUBERNAUTS = {"X-XSS-Protection": "1; mode=block"}
"""On every answer with SLUICE_PROFILE=kubernaut: browsers of today know it no more (kubernaut: SecurityHeaders)."""

CROSS_ORIGIN = {"Access-Control-Allow-Origin": "*"}
"""A page of any origin may read such an answer, and sends no credentials of its own (Fetch standard, CORS protocol;
kubernaut: cors.DefaultOptions)."""

PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": f"Accept, Authorization, Content-Type, {REQUEST_ID}, {TIMESTAMP}",
    "Access-Control-Max-Age": "300",
}
"""What a browser is told that asks before it lets a page send."""

_IDENTITY = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_SECONDS = re.compile(r"[0-9]{1,12}")

FREE_BYTES = 64 * 1024
"""What a body may have brought before it has to wait. uvicorn reads as much before it asks whether we want it; and a
sender that announces much and sends little takes nothing from others."""

_UNWRAPPED = "x-goog-pubsub-message-id"
_WAITING = 0.85
"""How much of a request's time its body may wait for room."""

_EXPECTED = 1024 * 1024
"""Of a body that does not say how long it is, and of which more than a little has come. Bodies that take room bit by
bit would wait for one another, each with a part of it."""

_RATIO = 16
"""What packed webhooks unpack to, as a rule, for the same reason."""

_UNPACKED_AT_ONCE = 512
"""Packed bytes that are unpacked before there is room for what comes of them: half a megabyte at most."""

_LONGEST_LENGTH = 20  # digits of a 64-bit number


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the X-Request-ID that the sender gave, or a new one where it gave none that can be logged as it is."""
    given = headers.get(REQUEST_ID, "")
    return given if _IDENTITY.fullmatch(given) else os.urandom(16).hex()


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Tell whether a browser asks what a page of another origin may send."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


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


async def read_body(request: Request, *, limit: int, share: Share, timeout: float, any_type: bool = False) -> bytes:
    """Return the body of a request, unpacked where it came packed.

    Args:
        request: as the framework hands it over, not yet read.
        limit: bytes, as they come and unpacked; reading stops with the chunk that goes past it.
        share: of the bytes that may be held; it grows with the body, and what is announced waits for room first.
        timeout: seconds for the whole body to arrive.
        any_type: take what is not JSON too.

    Raises:
        UnsupportedPayloadError: another content type or encoding.
        PayloadError: it is packed, and broken.
        PayloadTooLargeError: more than `limit` bytes, announced or sent.
        OverloadedError: there was no room for it in time.
        DeadlineExceededError: the sender is too slow.
    """
    if not any_type:
        _check_type(request)
    packed = _is_packed(request)
    announced = request.headers.get("content-length", "")
    # int() refuses thousands of digits with an error of its own
    if announced.isdecimal() and (len(announced) > _LONGEST_LENGTH or int(announced) > limit):
        raise _too_large(announced, limit)
    try:
        async with asyncio.timeout(timeout) as time:
            make_room = partial(_grow, share, time)
            expected = int(announced) if announced.isdecimal() else min(limit, _EXPECTED)
            body = await _read(request, limit, expected, make_room)
            if packed:
                body = await _unpack(body, limit, make_room)
    except TimeoutError as error:
        raise DeadlineExceededError(f"the body did not arrive within {timeout:.1f} s") from error
    return body


async def _read(request: Request, limit: int, expected: int, make_room: MakeRoom) -> bytes:
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(f"more than {limit}", limit)
        if size > FREE_BYTES:
            await make_room(max(size, expected))
        chunks.append(chunk)
    await make_room(size)
    return b"".join(chunks)


async def _unpack(packed: bytes, limit: int, make_room: MakeRoom) -> bytes:
    unpacker = Unpacker(limit=limit)
    unpacked = []
    size = 0
    await make_room(min(limit, len(packed) * _RATIO))
    for start in range(0, len(packed), _UNPACKED_AT_ONCE):
        part = unpacker.unpack(packed[start : start + _UNPACKED_AT_ONCE])
        size += len(part)
        await make_room(size)
        unpacked.append(part)
    unpacker.check_whole()
    return b"".join(unpacked)


async def _grow(share: Share, time: asyncio.Timeout, size: int) -> None:
    """Wait for room, but leave some of the request's time for the work itself."""
    left = (time.when() or 0.0) - asyncio.get_running_loop().time()
    await share.grow(size, timeout=max(0.0, left * _WAITING))


def _check_type(request: Request) -> None:
    if _UNWRAPPED in request.headers:
        return  # a Pub/Sub message's own type is its publisher's choice, or there is none
    content_type = request.headers.get("content-type", "application/json")
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedPayloadError(
            f"Content-Type is {content_type!r}; send application/json", field="Content-Type", reason="content_type"
        )
    charset = next((part.removeprefix("charset=") for part in parameters if part.startswith("charset=")), "utf-8")
    if charset.strip('"') not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedPayloadError(
            f"Content-Type is {content_type!r}; JSON is sent as utf-8", field="Content-Type", reason="content_type"
        )


def _is_packed(request: Request) -> bool:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() in ENCODINGS:
        return True
    if encoding.strip().lower() == "identity":
        return False
    raise UnsupportedPayloadError(
        f"Content-Encoding is {encoding!r}; send the body as it is, or packed with gzip",
        field="Content-Encoding",
        reason="content_type",
    )


def _too_large(size: str, limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"the body has {size} bytes, the limit is {limit}; split the group by group_by, or raise SLUICE_MAX_BODY",
        reason="too_large",
    )

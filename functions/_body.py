"""Reads a request's body, never past the limit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.errors import DeadlineExceededError, PayloadTooLargeError, UnsupportedPayloadError
from functions._packing import ENCODINGS, Unpacker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

_UNWRAPPED = "x-goog-pubsub-message-id"
_LONGEST_LENGTH = 20  # digits of a 64-bit number


async def read_json_body(request: Request, *, limit: int, timeout: float) -> bytes:
    """Return the body of a JSON request, unpacked where it came packed.

    Args:
        request: as the framework hands it over, not yet read.
        limit: bytes, as they come and unpacked; reading stops with the chunk that goes past it.
        timeout: seconds for the whole body to arrive.

    Raises:
        UnsupportedPayloadError: another content type or encoding.
        PayloadError: it is packed, and broken.
        PayloadTooLargeError: more than `limit` bytes, announced or sent.
        DeadlineExceededError: the sender is too slow.
    """
    _check_type(request)
    packed = _is_packed(request)
    announced = request.headers.get("content-length", "")
    # int() refuses thousands of digits with an error of its own
    if announced.isdecimal() and (len(announced) > _LONGEST_LENGTH or int(announced) > limit):
        raise _too_large(announced, limit)
    try:
        async with asyncio.timeout(timeout):
            return await (_unpack(request, limit) if packed else _read(request, limit))
    except TimeoutError as error:
        raise DeadlineExceededError(f"the body did not arrive within {timeout:.1f} s") from error


async def _read(request: Request, limit: int) -> bytes:
    return b"".join([chunk async for chunk in _chunks(request, limit)])


async def _unpack(request: Request, limit: int) -> bytes:
    unpacker = Unpacker(limit=limit)
    unpacked = [unpacker.unpack(chunk) async for chunk in _chunks(request, limit)]
    unpacker.check_whole()
    return b"".join(unpacked)


async def _chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(f"more than {limit}", limit)
        yield chunk


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

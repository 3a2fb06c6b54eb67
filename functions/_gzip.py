"""Unpacks a body that came with `Content-Encoding: gzip`, chunk by chunk and never past a limit."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from core.errors import PayloadError, PayloadTooLargeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    MakeRoom = Callable[[int], Awaitable[None]]

ENCODINGS = ("gzip", "x-gzip")
"""Names of the one content coding that is accepted (RFC 9110, section 8.4.1.3)."""

_GZIP = 16 + zlib.MAX_WBITS

_RATIO = 16
"""How many times its size a packed webhook unpacks to, as a rule. So much room is taken at once, because bodies that
take it bit by bit would wait for one another, each with a part of it."""

_UNPACKED_AT_ONCE = 512
"""Packed bytes that are unpacked before there is room for what comes of them: half a megabyte at most."""


async def unpack(packed: bytes, *, limit: int, make_room: MakeRoom) -> bytes:
    """Return what a whole packed body unpacks to.

    Args:
        packed: as it came.
        limit: bytes that it may unpack to.
        make_room: waits until as many bytes may be held as it is told.

    Raises:
        PayloadError: it is not gzip, goes on after its end, or ends before it.
        PayloadTooLargeError: more than the limit.
        OverloadedError: there was no room for it in time.
    """
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


class Unpacker:
    """Unpacks one gzip stream (RFC 1952).

    What is unpacked is held to `limit` bytes before it is made: a body of a few bytes may stand for gigabytes.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._stream = zlib.decompressobj(wbits=_GZIP)
        self._begun = False

    def unpack(self, chunk: bytes) -> bytes:
        """Return what the next chunk of the body unpacks to.

        Raises:
            PayloadError: it is not gzip, or goes on after its end.
            PayloadTooLargeError: more than the limit, with what was unpacked before.
        """
        if not chunk:
            return b""
        self._begun = True
        if self._stream.eof:
            raise _broken("goes on after its gzip has ended")
        try:
            unpacked = self._stream.decompress(chunk, self._left + 1)
        except zlib.error as error:
            raise _broken(f"is no gzip: {error}") from None
        self._left -= len(unpacked)
        if self._left < 0:
            raise PayloadTooLargeError(
                f"the body has more than {self._limit} bytes once unpacked; split the group by group_by, or raise "
                "SLUICE_MAX_BODY",
                reason="too_large",
            )
        if self._stream.unused_data:
            raise _broken("goes on after its gzip has ended")
        return unpacked

    def check_whole(self) -> None:
        """Check that the stream has come to its end.

        Raises:
            PayloadError: it has not.
        """
        if not self._begun:
            raise _broken("is empty")
        if not self._stream.eof:
            raise _broken("ends before its gzip does")


def _broken(what: str) -> PayloadError:
    return PayloadError(
        f"the body {what}; send one gzip stream (RFC 1952), or the body as it is",
        field="Content-Encoding",
        reason="encoding",
    )

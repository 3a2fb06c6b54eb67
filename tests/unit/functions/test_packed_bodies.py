"""Bodies packed with gzip are unpacked on the way in, never past the limit."""

from __future__ import annotations

import gzip
import zlib

import pytest

from tests.unit.functions.webhooks import alert, webhook

LIMIT = 4096


@pytest.fixture(autouse=True)
def limit(function):
    function.set(max_body=LIMIT)


def in_pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)] or [b""]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", " gzip "])
async def test_packed_webhook_is_stored_like_the_plain_one(function, wire, encoding):
    assert (await function.post(gzip.compress(webhook(alert())), Content_Encoding=encoding)).status == 201
    assert (await function.post(webhook(alert()))).status == 202


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_packed_body_may_come_in_pieces_of_any_size(function, wire, size):
    packed = gzip.compress(webhook(alert()))
    assert (await function.post(in_pieces(packed, size), Content_Encoding="gzip")).status == 201


async def test_body_may_be_as_large_as_the_limit_once_it_is_unpacked(function, wire):
    body = webhook(alert())
    packed = gzip.compress(body + b" " * (LIMIT - len(body)))
    assert (await function.post(packed, Content_Encoding="gzip")).status == 201


@pytest.mark.parametrize("excess", [1, 1_000_000])
async def test_body_that_unpacks_past_the_limit_is_refused(function, scripted, excess):
    answered = await function.post(gzip.compress(b" " * (LIMIT + excess)), Content_Encoding="gzip")
    assert answered.problem(413).startswith(f"the body has more than {LIMIT} bytes once unpacked; ")


async def test_what_was_unpacked_past_the_limit_is_never_held(function, scripted, monkeypatch):
    """A small body that becomes a gigabyte costs as much as the limit and no more."""
    most = 0
    real = zlib.decompressobj

    class Watched:
        def __init__(self, **more):
            self._real = real(**more)

        def __getattr__(self, name):
            return getattr(self._real, name)

        def decompress(self, data, max_length):
            nonlocal most
            unpacked = self._real.decompress(data, max_length)
            most += len(unpacked)
            return unpacked

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    function.set(max_body=100_000)
    answered = await function.post(gzip.compress(b"x" * 50_000_000), Content_Encoding="gzip")
    assert answered.problem(413)
    assert most == 100_001


async def test_packed_bytes_have_the_limit_too(function, scripted):
    answered = await function.post([b"\x1f\x8b", b"x" * LIMIT], Content_Encoding="gzip")
    assert f"the body has more than {LIMIT} bytes, the limit" in answered.problem(413)


PACKED = gzip.compress(webhook(alert()))


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "is empty"),
        (webhook(alert()), "is no gzip: "),
        (PACKED[:10] + b"\xff" * 30, "is no gzip: "),
        (PACKED[:-8] + b"\0" * 8, "is no gzip: "),  # the checksum of another body
        (PACKED[:-1], "ends before its gzip does"),
        (PACKED[:5], "ends before its gzip does"),
        (PACKED + b"x", "goes on after its gzip has ended"),
        (PACKED + PACKED, "goes on after its gzip has ended"),
    ],
)
@pytest.mark.parametrize("size", [1, 1_000_000])
async def test_broken_packing_is_poison_and_says_what_is_wrong(function, scripted, body, what, size):
    answered = await function.post(in_pieces(body, size), Content_Encoding="gzip")
    assert answered.problem(400).startswith(f"the body {what}")
    assert answered.problem(400).endswith("; send one gzip stream (RFC 1952), or the body as it is")


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "deflate, gzip", "gzip, gzip", "compress"])
async def test_other_packings_are_refused_unread(function, scripted, encoding):
    answered = await function.post(PACKED, Content_Encoding=encoding)
    assert answered.problem(415) == f"Content-Encoding is {encoding!r}; send the body as it is, or packed with gzip"
    assert answered.headers["Accept-Encoding"] == "gzip"
    assert answered.chunks_read == 0

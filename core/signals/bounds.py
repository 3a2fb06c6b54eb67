"""What one alert may cost a RemediationRequest: senders write these fields, and each is kept two or three times.

What is longer is cut with a mark, never refused: an alert is not lost for a long description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json

from core.common.text import cut_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAYLOAD_BYTES = 32 * 1024
"""Of `originalPayload` before base64: what tells people of the alert, far below what etcd takes (1.5 MiB)."""

TEXTS = 100
TEXTS_BYTES = 32 * 1024
_KEY_BYTES = 253
_TEXT_BYTES = 8 * 1024

# Characters of a string, entries of an object or list, levels: each tried where the one before leaves too much.
_TIGHTER = ((4096, 1000, 50), (1024, 200, 20), (256, 64, 10), (64, 16, 6), (32, 4, 4))
_LONGEST_NUMBER = 10**100


def bounded_texts(values: Mapping[str, str]) -> dict[str, str]:
    """Return the first TEXTS labels or annotations, cut, with at most TEXTS_BYTES of keys and values in all."""
    kept: dict[str, str] = {}
    left = TEXTS_BYTES
    for key, text in values.items():
        short_key = cut_utf8(key, limit=_KEY_BYTES)
        short = cut_utf8(text, limit=max(0, min(_TEXT_BYTES, left - len(short_key.encode()))))
        left -= len(short_key.encode()) + len(short.encode())
        if left < 0 or len(kept) == TEXTS:
            break
        kept[short_key] = short
    return kept


def bounded_json(value: object, *, limit: int) -> bytes:
    """Write a value as JSON of at most `limit` bytes; where it is cut, marks in it say so."""
    written = _json(value)
    for characters, entries, levels in _TIGHTER:
        if len(written) <= limit:
            break
        written = _json(_shortened(value, characters, entries, levels))
    return written


def _shortened(value: object, characters: int, entries: int, levels: int) -> object:
    match value:
        case str():
            return value if len(value) <= characters else f"{value[:characters]}… (cut, {len(value)} characters)"
        case dict() | list() if levels == 0:
            return f"… (cut, {len(value)} entries)"
        case dict():
            return dict(_shortened_items(value, characters, entries, levels - 1))
        case list():
            kept = [_shortened(each, characters, entries, levels - 1) for each in value[:entries]]
            return kept if len(value) <= entries else [*kept, f"… (cut, {len(value)} entries)"]
        case int() if abs(value) > _LONGEST_NUMBER:
            return "… (cut, a long number)"
        case _:
            return value


def _shortened_items(
    value: dict[str, object], characters: int, entries: int, levels: int
) -> Iterator[tuple[str, object]]:
    for index, (key, each) in enumerate(value.items()):
        if index == entries:
            yield "…", f"(cut, {len(value)} entries)"
            return
        yield key[:characters], _shortened(each, characters, entries, levels)


def _json(value: object) -> bytes:
    # 1e400 is JSON, but no float: it is read as infinity, for which JSON has no word.
    return to_json(value, inf_nan_mode="strings")

"""Mutations of corpus entries: of their bytes, and of the JSON in them."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

TOKENS = [
    b"null", b"true", b"-1", b"0", b"1e400", b"-1e400", b"NaN", b"Infinity", b"9223372036854775808", b"1" + b"0" * 400,
    b'""', b"[]", b"{}", b'"\\ud800"', b'"\\udfff\\u0000"', b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\x00", b"\\", b'"',
    b",", b":", b"[" * 300, b'{"a":' * 300, b"/../", b"%00", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59-23:59",
]  # fmt: skip

_ODD_NUMBERS = st.sampled_from([0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 5e-324, -0.0])
_ODD_TEXTS = st.sampled_from(
    ["", " ", "\x00", "\ud800", "\udfff", "\u202e", "ä" * 300, "x" * 70_000, "../../x", "a/b", "a%2fb", "a?b#c", "a\nb",
     "null", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z", "2026-01-02T03:04:05",
     "Traceback (most recent call last)", "٣", "²"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | _ODD_NUMBERS | _ODD_TEXTS
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10) | _ODD_TEXTS, inner, max_size=4),
    max_leaves=8,
)

Path = tuple[str | int, ...]


@st.composite
def mutated_bytes(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """A body whose bytes were changed in one to five places, or spliced with another's."""
    body = bytearray(draw(bodies))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["flip", "insert", "cut", "double", "overwrite", "truncate", "splice"])):
            case "flip" if start < len(body):
                body[start] ^= 1 << draw(st.integers(0, 7))
            case "insert":
                body[start:start] = draw(st.sampled_from(TOKENS) | st.binary(max_size=8))
            case "cut":
                del body[start:end]
            case "double":
                body[start:start] = body[start:end]
            case "overwrite":
                body[start:end] = draw(st.sampled_from(TOKENS))
            case "truncate":
                del body[start:]
            case "splice":
                other = draw(bodies)
                body[start:] = other[draw(st.integers(0, len(other))) :]
    return bytes(body)


@st.composite
def mutated_json(draw: st.DrawFn, documents: st.SearchStrategy[Any]) -> Any:
    """A document in which one to four values were replaced, dropped, doubled, renamed, exchanged or buried."""
    document = {"": copy.deepcopy(draw(documents))}
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(document))
        _mutate(draw, document, draw(st.sampled_from(places)), places)
    return document.get("")


def encoded(document: Any) -> bytes:
    """JSON as Python writes it: NaN, Infinity and halves of surrogate pairs included."""
    return json.dumps(document).encode()


def _mutate(draw: st.DrawFn, document: Any, path: Path, places: list[Path]) -> None:
    holder, key = _at(document, path[:-1]), path[-1]
    match draw(st.sampled_from(["replace", "drop", "double", "rename", "exchange", "bury"])):
        case "replace":
            holder[key] = draw(JSON)
        case "drop" if len(path) > 1:
            del holder[key]
        case "double" if isinstance(holder, list) and isinstance(key, int):
            holder[key:key] = [copy.deepcopy(holder[key])] * draw(st.integers(1, 30))
        case "rename" if isinstance(key, str) and len(path) > 1:
            holder[draw(st.text(max_size=10) | _ODD_TEXTS)] = holder.pop(key)
        case "exchange":
            holder[key] = copy.deepcopy(_at(document, draw(st.sampled_from(places))))
        case "bury":
            for _ in range(draw(st.sampled_from([1, 10, 120, 300]))):
                holder[key] = [holder[key]]


def _places(value: Any, path: Path = ()) -> Any:
    if path:
        yield path
    if len(path) > 12:
        return
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(min(len(value), 20)):
            yield from _places(value[index], (*path, index))


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document

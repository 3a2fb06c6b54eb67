"""The corpus: requests that senders send, those that went wrong once, and what each must be answered.

An entry is a file: header lines, an empty line, the body. `expected.json` beside it has the code, the status of
each result in order, and how many requests are stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Entry:
    """One message with headers, and what is expected of it."""

    name: str
    headers: Mapping[str, str]
    body: bytes
    expected: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.name


@cache
def entries(kind: str) -> tuple[Entry, ...]:
    """All entries of a folder, by name."""
    folder = FOLDER / kind
    expected = json.loads((folder / "expected.json").read_text())
    found = tuple(_read(path, expected.get(path.stem)) for path in sorted(folder.glob("*.http")))
    assert {entry.name for entry in found} == expected.keys(), f"{kind}: files and expected.json differ"
    return found


def _read(path: Path, expected: Any) -> Entry:
    head, _, body = path.read_bytes().partition(b"\n\n")
    lines = (line.partition(":") for line in head.decode("latin-1").splitlines())
    return Entry(path.stem, {name.strip(): value.strip() for name, _, value in lines}, body, expected or {})

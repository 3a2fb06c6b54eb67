"""The first thing that a model refuses of a document, told to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError

_SHOWN_KEY = 80


def complaint(error: ValidationError, *, root: str) -> tuple[str, str]:
    """Return the path of the field below `root`, and a sentence that names it, its value and what it must be.

    Both are short, on one line and text, whatever keys the document has.
    """
    first = error.errors(include_url=False)[0]
    field = ".".join([root, *(_step(str(key)) for key in first["loc"])])
    return field, f"{field} is {excerpt(first['input'])}: {first['msg']}"


def texts_of(document: object, *keys: str) -> Mapping[str, str]:
    """Return the fields of a document that are texts, of `keys` or all: they tell people which one it was."""
    if not isinstance(document, dict):
        return {}
    return {
        key: text
        for key, text in document.items()
        if isinstance(key, str) and isinstance(text, str) and (not keys or key in keys)
    }


def _step(key: str) -> str:
    return key if key.isprintable() and len(key) <= _SHOWN_KEY else excerpt(key)

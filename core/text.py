"""Text cut to a size: values for the API, and excerpts of bad input for people."""

from reprlib import Repr

_EXCERPTS = Repr()
_EXCERPTS.maxlevel = 3
_EXCERPTS.maxstring = _EXCERPTS.maxother = 80
_LONGEST_EXCERPT = 200


def excerpt(value: object) -> str:
    """Return a short, one-line picture of any value, however large or deep it is."""
    text = _EXCERPTS.repr(value)
    return text if len(text) <= _LONGEST_EXCERPT else f"{text[:_LONGEST_EXCERPT]}..."


def cut_utf8(text: str, *, limit: int) -> str:
    """Return the longest start of `text` that takes at most `limit` bytes in UTF-8, never half a character."""
    if len(text) * 4 <= limit:
        return text
    encoded = text.encode()
    return text if len(encoded) <= limit else encoded[:limit].decode(errors="ignore")

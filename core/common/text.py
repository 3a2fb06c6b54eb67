"""Text: cut to a size, without addresses, excerpts of bad input and files, times in RFC 3339 as Kubernetes does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from reprlib import Repr
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError

DNS_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
"""A name by RFC 1123 without dots, as a regular expression without anchors."""

DNS_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
"""A name by RFC 1123; that it has at most 253 characters is checked apart."""

# As text: re compiles it at first use, and keeps it. A start needs none of the expressions that are written so.
_ADDRESS = r"""
    \b[a-z]{2,8}://[^\s"'<>\\]+                                  # a URL
    | \[[0-9a-f]*:[0-9a-f:.]*(?:%\w+)?\](?::\d{1,5})?             # [::1]:443
    | (?<![\w:])[0-9a-f:]{0,30}::[0-9a-f:]{0,30}                  # fd00::1
    | (?<![\w:])[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){7}
    | \b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b                    # 10.0.0.1:443
    | (?<![\w.:-])[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,20}:\d{2,5}\b(?!:)    # name:443
    | (?<=\blookup\ )[^\s:]+                                     # as Go tells of names: "lookup name on 10.0.0.10:53"
    | (?<=\bvalid\ for\ )[^;\n]+                                 # and of certificates: "valid for name, not name"
"""

_EXCERPTS = Repr()
_EXCERPTS.maxlevel = 3
_EXCERPTS.maxstring = _EXCERPTS.maxother = 80
_LONGEST_EXCERPT = 200


NO_UTF8_JSON = "the body is no JSON in UTF-8 (RFC 8259, section 8.1)"
"""What is said of a body that `is_utf8_json` or a reader of JSON refuses."""


def is_utf8_json(body: bytes) -> bool:
    """Tell whether a body cannot be UTF-16 or UTF-32, which Python's own JSON reader would take.

    JSON is UTF-8 (RFC 8259, section 8.1); it has no NUL, and no byte order mark of the others.
    """
    return b"\0" not in body[:4] and body[:2] not in (b"\xff\xfe", b"\xfe\xff")


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


_NOT_IN_LABELS = r"[^A-Za-z0-9_.-]"
_LABEL_CHARACTERS = 63


def label_value(text: str) -> str:
    """Return `text` as the value of a Kubernetes label may be: what no label may hold is `_`, the rest is cut off.

    Empty where nothing of it is left.
    """
    return re.sub(_NOT_IN_LABELS, "_", text.strip()[:_LABEL_CHARACTERS]).strip("_.-")


def printable(text: str) -> str:
    """Return `text` with what can steer a terminal, and half surrogate pairs, written as escapes."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def without_addresses(text: str) -> str:
    """Return `text` without URLs, IP addresses and names of hosts with a port, as far as they can be recognised.

    Cut it first: this takes more than linear time.
    """
    return re.sub(_ADDRESS, "(an address)", text, flags=re.VERBOSE | re.IGNORECASE)


def rfc3339(moment: datetime) -> str:
    """Write a timezone-aware time in UTC, with microseconds where it has any."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def micro_time(moment: datetime) -> str:
    """Write a time as metav1.MicroTime wants it: always six decimals, a whole second is refused without them."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """Read a time written by the API server.

    Raises:
        ValueError: `text` is not an RFC 3339 time with a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = f"time {text!r} has no zone; RFC 3339 wants one, such as 2026-01-02T03:04:05Z"
        raise ValueError(message)
    return moment


_SHOWN_KEY = 80


def describe_invalid(error: ValidationError, *, root: str) -> tuple[str, str]:
    """Return the path of the field below `root`, and a sentence that names it, its value and what it must be.

    Both are short, on one line and text, whatever keys the document has.
    """
    first = error.errors(include_url=False)[0]
    field = ".".join([root, *(_step(str(key)) for key in first["loc"])])
    return field, f"{field} is {excerpt(first['input'])}: {first['msg']}"


def why_unread(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file could not be read as text: its name stands in the sentence around it already."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return f"it is no UTF-8 text ({error.reason} at byte {error.start})"


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

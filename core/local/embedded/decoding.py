"""What Go's decoder says about values of the wrong type."""

from typing import Any

_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "bool"}


class DecodeError(ValueError):
    """An object cannot be read as its kind; the message is the decoder's own."""


def unmarshal_error(value: Any, into: str) -> DecodeError:
    """Return the error for a value that does not go into a Go type or field."""
    found = _JSON_TYPES.get(type(value), "number")
    return DecodeError(f"json: cannot unmarshal {found} into Go {into}")

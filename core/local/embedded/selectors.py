"""Label and field selectors, as LIST and WATCH take them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from core.local.embedded.statuses import bad_request

JsonObject = dict[str, Any]
Predicate = Callable[[JsonObject], bool]

_FIELD_TERM = re.compile(r"^(?P<field>[^=!]+)(?P<operator>==|!=|=)(?P<value>.*)$")
_LABEL_TERM = re.compile(
    r"^\s*(?:(?P<absent>!)\s*(?P<absent_key>[\w./-]+)"
    r"|(?P<key>[\w./-]+)\s*(?:(?P<operator>==|!=|=)\s*(?P<value>[\w.-]*)"
    r"|\s(?P<set_operator>in|notin)\s*\((?P<values>[^()]*)\))?)\s*$"
)
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")


def field_selector(text: str, fields: Mapping[str, tuple[str, ...]], *, custom: bool) -> list[Predicate]:
    """Return the conditions of a field selector.

    Raises:
        ApiError: 400 for a selector that cannot be read, or a field that cannot be selected by.
    """
    return [_field_condition(term, text, fields, custom=custom) for term in text.split(",") if term]


def _field_condition(term: str, text: str, fields: Mapping[str, tuple[str, ...]], *, custom: bool) -> Predicate:
    match = _FIELD_TERM.match(term)
    if match is None:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
    field, wanted = match["field"], match["value"]
    if field not in fields:
        raise bad_request(_unknown_field(field, fields, custom=custom))
    path, equal = fields[field], match["operator"] != "!="
    return lambda obj: (field_text(obj, path) == wanted) is equal


def _unknown_field(field: str, fields: Mapping[str, tuple[str, ...]], *, custom: bool) -> str:
    standard = ("metadata.name", "metadata.namespace")
    if custom or set(fields) - set(standard):
        return f"field label not supported: {field}"
    known = ", ".join(f'"{name}"' for name in standard)
    return f'"{field}" is not a known field selector: only {known}'


def field_text(obj: Any, path: tuple[str, ...]) -> str:
    """Return a field as selectors compare it: absent is empty, booleans in lower case."""
    for name in path:
        obj = obj.get(name) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)


def label_selector(text: str) -> list[Predicate]:
    """Return the conditions of a label selector.

    Raises:
        ApiError: 400 for a selector that cannot be read.
    """
    return [_label_condition(term) for term in _COMMA_OUTSIDE_PARENTHESES.split(text) if term.strip()]


def _label_condition(term: str) -> Predicate:
    match = _LABEL_TERM.match(term)
    if match is None:
        raise bad_request(f"unable to parse requirement: {term.strip()}")
    if match["absent"]:
        return _absent(match["absent_key"])
    if match["operator"]:
        return _label_in(match["key"], {match["value"]}, wanted=match["operator"] != "!=")
    if match["set_operator"]:
        values = {value.strip() for value in match["values"].split(",")}
        return _label_in(match["key"], values, wanted=match["set_operator"] == "in")
    absent = _absent(match["key"])
    return lambda obj: not absent(obj)


def _absent(key: str) -> Predicate:
    return lambda obj: key not in (obj["metadata"].get("labels") or {})


def _label_in(key: str, values: set[str], *, wanted: bool) -> Predicate:
    return lambda obj: ((obj["metadata"].get("labels") or {}).get(key) in values) is wanted

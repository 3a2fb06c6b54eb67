"""One kind's schema: fits objects to it and finds what is wrong with them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from core.local.embedded.openapi import TransitionRule, check_supported, to_json_schema, transition_rules
from core.local.embedded.statuses import Cause
from core.local.embedded.structure import fit
from core.local.embedded.violations import to_causes

JsonObject = dict[str, Any]

_ENVELOPE = frozenset(("apiVersion", "kind", "metadata"))
_FORMATS = FormatChecker(("date-time", "date", "email", "ipv4", "ipv6", "uuid"))
_FORMATS.checks("int32")(lambda value: not isinstance(value, int) or -(2**31) <= value < 2**31)
_FORMATS.checks("int64")(lambda value: not isinstance(value, int) or -(2**63) <= value < 2**63)


def _check_required(_validator: Any, required: list[str], instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        yield from (ValidationError(name) for name in required if name not in instance)


def _check_pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    # RE2's $ is the end of the text; Python's would let a line end pass.
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(pattern)


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"required": _check_required, "pattern": _check_pattern}
)


class Schema:
    """A structural schema, compiled once. Without one, every field is known and nothing is checked.

    Raises UnsupportedSchemaError for a schema with checks that are not made here.
    """

    def __init__(self, openapi: Mapping[str, Any] | None = None) -> None:
        self._structure: Mapping[str, Any] = openapi or {}
        check_supported(self._structure)
        self.rules: list[TransitionRule] = transition_rules(self._structure)
        self._required = self._structure.get("required", [])
        properties = self._structure.get("properties", {})
        self._validators = {
            name: _Validator(to_json_schema(schema), format_checker=_FORMATS)
            for name, schema in properties.items()
            if name not in _ENVELOPE
        }

    def fit(self, obj: JsonObject) -> tuple[JsonObject, list[str]]:
        """Return the object without unknown fields, with defaults; and the paths that were pruned."""
        if not self._structure:
            return obj, []
        unknown: list[str] = []
        envelope = {name: value for name, value in obj.items() if name in _ENVELOPE}
        content = {name: value for name, value in obj.items() if name not in _ENVELOPE}
        return envelope | fit(content, self._structure, "", unknown), unknown

    def violations(self, new: JsonObject, old: JsonObject | None, *, subresource: str) -> list[Cause]:
        """Return what is wrong with the parts that differ from `old`, which was valid."""
        missing = [Cause("FieldValueRequired", "Required value", name) for name in self._required if name not in new]
        return missing + [
            cause
            for name, validator in self._validators.items()
            if name in new and (old is None or old.get(name) != new[name])
            for error in validator.iter_errors(new[name])
            for cause in to_causes(error, within=name, subresource=subresource)
        ]

    def broken_rules(self, new: JsonObject, old: JsonObject | None) -> list[Cause]:
        """Return the transition rules that an update breaks."""
        if old is None:
            return []
        return [
            Cause("FieldValueInvalid", f"Invalid value: {rule.message}", ".".join(rule.path))
            for rule in self.rules
            if _at(old, rule.path) is not None and _at(old, rule.path) != _at(new, rule.path)
        ]


def _at(obj: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(obj, dict) or name not in obj:
            return None
        obj = obj[name]
    return obj

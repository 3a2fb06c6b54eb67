"""JSON Schema errors in the API server's words (k8s.io/kube-openapi/pkg/validation)."""

from collections.abc import Callable, Sequence
from typing import Any

from jsonschema.exceptions import ValidationError
from pydantic_core import to_json

from core.local.embedded.statuses import Cause

_BLOCKING = frozenset(
    ("FieldValueRequired", "FieldValueTypeInvalid", "FieldValueTooLong", "FieldValueNotSupported", "FieldValueTooMany")
)
_TYPES = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"))

UNCHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "<nil>",
)


def blocks_rules(causes: Sequence[Cause]) -> bool:
    """Whether CEL rules are left out because of these causes."""
    return any(cause.reason in _BLOCKING for cause in causes)


def to_cause(error: ValidationError, *, within: str, body: str) -> Cause:
    """Return the cause for an error below the field `within`, called `body` in the message's text."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    if error.validator == "required":
        path += f".{error.message}"
    field, called = f"{within}{path}", f"{body}{path}".removeprefix(".")
    wording = _WORDING.get(str(error.validator), _other)
    reason, message = wording(error, called)
    return Cause(reason, message, field)


def type_name(value: Any) -> str:
    """Return the JSON type of a value."""
    if value is None:
        return "null"
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "object")


def quoted(value: Any) -> str:
    """Return a value as error messages show it."""
    return to_json(value).decode()


def _required(_error: ValidationError, _called: str) -> tuple[str, str]:
    return "FieldValueRequired", "Required value"


def _type(error: ValidationError, called: str) -> tuple[str, str]:
    found = type_name(error.instance)
    wanted: Any = error.validator_value
    wanted = wanted if isinstance(wanted, str) else wanted[0]
    return (
        "FieldValueTypeInvalid",
        f'Invalid value: "{found}": {called} in body must be of type {wanted}: "{found}"',
    )


def _format(error: ValidationError, called: str) -> tuple[str, str]:
    value = quoted(error.instance)
    return (
        "FieldValueTypeInvalid",
        f"Invalid value: {value}: {called} in body must be of type {error.validator_value}: {value}",
    )


def _enum(error: ValidationError, _called: str) -> tuple[str, str]:
    allowed: Any = error.validator_value
    supported = ", ".join(quoted(value) for value in allowed)
    return (
        "FieldValueNotSupported",
        f"Unsupported value: {quoted(error.instance)}: supported values: {supported}",
    )


def _too_long(error: ValidationError, _called: str) -> tuple[str, str]:
    return "FieldValueTooLong", f"Too long: may not be more than {error.validator_value} bytes"


def _too_many(error: ValidationError, _called: str) -> tuple[str, str]:
    found: Any = error.instance
    limit = error.validator_value
    return "FieldValueTooMany", f"Too many: {len(found)}: must have at most {limit} items"


def _pattern(error: ValidationError, called: str) -> tuple[str, str]:
    return _wrong(error, f"{called} in body should match '{error.validator_value}'")


def _too_short(error: ValidationError, called: str) -> tuple[str, str]:
    return _wrong(error, f"{called} in body should be at least {error.validator_value} chars long")


def _too_low(error: ValidationError, called: str) -> tuple[str, str]:
    return _wrong(error, f"{called} in body should be greater than or equal to {error.validator_value}")


def _too_high(error: ValidationError, called: str) -> tuple[str, str]:
    return _wrong(error, f"{called} in body should be less than or equal to {error.validator_value}")


def _other(error: ValidationError, called: str) -> tuple[str, str]:
    return _wrong(error, f"{called} in body: {error.message}")


def _wrong(error: ValidationError, text: str) -> tuple[str, str]:
    return "FieldValueInvalid", f"Invalid value: {quoted(error.instance)}: {text}"


_WORDING: dict[str, Callable[[ValidationError, str], tuple[str, str]]] = {
    "required": _required,
    "type": _type,
    "format": _format,
    "enum": _enum,
    "maxLength": _too_long,
    "maxItems": _too_many,
    "pattern": _pattern,
    "minLength": _too_short,
    "minimum": _too_low,
    "maximum": _too_high,
}

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
_RELATIONS = {
    "minimum": "greater than or equal to",
    "maximum": "less than or equal to",
    "exclusiveMinimum": "greater than",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
}

UNCHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "<nil>",
)


def blocks_rules(causes: Sequence[Cause]) -> bool:
    """Whether CEL rules are left out because of these causes."""
    return any(cause.reason in _BLOCKING for cause in causes)


def to_causes(error: ValidationError, *, within: str, subresource: str) -> list[Cause]:
    """Return the causes for an error below the field `within`.

    A status update is validated below status: its messages leave that part of the path out.
    """
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    if error.validator == "required":
        path += f".{error.message}"
    called = f"{'' if within == subresource else within}{path}".removeprefix(".")
    whole = subresource or UNCHECKED.field
    if error.validator == "format" and error.validator_value in ("int32", "int64"):
        return [_number_check(f"integer with format {error.validator_value}", called, whole)]
    reason, message = _WORDING[str(error.validator)](error, called)
    causes = [Cause(reason, message, f"{within}{path}")]
    if error.validator == "type" and wanted_type(error) == "integer" and isinstance(error.instance, float):
        causes.append(_number_check("integer (default format)", called, whole))
    return causes


def _number_check(wanted: str, called: str, whole: str) -> Cause:
    message = f'Invalid value: "": Checked value must be of type {wanted} in {called}'
    return Cause("FieldValueInvalid", message, whole)


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
    found, wanted = type_name(error.instance), wanted_type(error)
    return (
        "FieldValueTypeInvalid",
        f'Invalid value: "{found}": {called} in body must be of type {wanted}: "{found}"',
    )


def wanted_type(error: ValidationError) -> str:
    """Return the type that a schema asks for, in words."""
    wanted: Any = error.validator_value
    names = [wanted] if isinstance(wanted, str) else [name for name in wanted if name != "null"]
    return ",".join(names)


def _format(error: ValidationError, called: str) -> tuple[str, str]:
    value = quoted(error.instance)
    return (
        "FieldValueTypeInvalid",
        f"Invalid value: {value}: {called} in body must be of type {error.validator_value}: {value}",
    )


def _enum(error: ValidationError, _called: str) -> tuple[str, str]:
    allowed: Any = error.validator_value
    supported = ", ".join(f'"{value}"' for value in allowed)
    return (
        "FieldValueNotSupported",
        f"Unsupported value: {quoted(error.instance)}: supported values: {supported}",
    )


def _too_long(error: ValidationError, _called: str) -> tuple[str, str]:
    return "FieldValueTooLong", f"Too long: may not be more than {error.validator_value} bytes"


def _too_many(error: ValidationError, _called: str) -> tuple[str, str]:
    found: Any = error.instance
    return "FieldValueTooMany", f"Too many: {len(found)}: must have at most {error.validator_value} items"


def _too_few(error: ValidationError, called: str) -> tuple[str, str]:
    found: Any = error.instance
    what = "items" if error.validator == "minItems" else "properties"
    text = f"{called} in body should have at least {error.validator_value} {what}"
    return "FieldValueInvalid", f"Invalid value: {len(found)}: {text}"


def _pattern(error: ValidationError, called: str) -> tuple[str, str]:
    return _wrong(error, f"{called} in body should match '{error.validator_value}'")


def _too_short(error: ValidationError, called: str) -> tuple[str, str]:
    return _wrong(error, f"{called} in body should be at least {error.validator_value} chars long")


def _out_of_bounds(error: ValidationError, called: str) -> tuple[str, str]:
    relation = _RELATIONS[str(error.validator)]
    return _wrong(error, f"{called} in body should be {relation} {error.validator_value}")


def _wrong(error: ValidationError, text: str) -> tuple[str, str]:
    return "FieldValueInvalid", f"Invalid value: {quoted(error.instance)}: {text}"


_WORDING: dict[str, Callable[[ValidationError, str], tuple[str, str]]] = {
    "required": _required,
    "type": _type,
    "format": _format,
    "enum": _enum,
    "maxLength": _too_long,
    "maxItems": _too_many,
    "maxProperties": _too_many,
    "minItems": _too_few,
    "minProperties": _too_few,
    "pattern": _pattern,
    "minLength": _too_short,
    **dict.fromkeys(_RELATIONS, _out_of_bounds),
}

"""A CRD's schema at work: read, pruned and defaulted by it, checked, and what is wrong in the API server's words."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from pydantic_core import to_json

from core.local.embedded.statuses import Cause

JsonObject = dict[str, Any]
_IMMUTABLE = "self == oldSelf"
_SAME_IN_JSON_SCHEMA = {"type", "format", "required", "enum", "pattern", "multipleOf", "minimum", "maximum"}
_SAME_IN_JSON_SCHEMA |= {f"{bound}{what}" for bound in ("min", "max") for what in ("Length", "Items", "Properties")}
_SAYS_NOTHING = {"description", "title", "example", "externalDocs", "x-kubernetes-map-type"}
_HANDLED_ELSEWHERE = {"properties", "additionalProperties", "items", "nullable", "default"}
_HANDLED_ELSEWHERE |= {"exclusiveMinimum", "exclusiveMaximum", "x-kubernetes-preserve-unknown-fields"}
_HANDLED_ELSEWHERE |= {"x-kubernetes-int-or-string", "x-kubernetes-validations", "x-kubernetes-list-type"}
_MAP_KEYS = "x-kubernetes-list-map-keys"
_HANDLED_ELSEWHERE |= {_MAP_KEYS}
_KNOWN = _SAME_IN_JSON_SCHEMA | _SAYS_NOTHING | _HANDLED_ELSEWHERE


class UnsupportedSchemaError(ValueError):
    """A CRD's schema asks for a check that the embedded API does not make."""


@dataclass(frozen=True, slots=True)
class TransitionRule:
    """The one CEL rule known here: the value at `path` never changes."""

    path: tuple[str, ...]
    message: str


def check_supported(schema: Mapping[str, Any], path: str = "") -> None:
    """Raise UnsupportedSchemaError, with the field's path, for a keyword that would go unchecked."""
    unknown = sorted(set(schema) - _KNOWN)
    if unknown:
        message = f"schema of {path or 'the object'}: the embedded API does not know {', '.join(unknown)}"
        raise UnsupportedSchemaError(message)
    if schema.get("x-kubernetes-list-type", "atomic") not in ("atomic", "map"):
        message = f"schema of {path}: the embedded API knows atomic lists, and such as are maps, only"
        raise UnsupportedSchemaError(message)
    for name, child in _children(schema):
        check_supported(child, f"{path}.{name}" if path else name)


def _children(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from schema.get("properties", {}).items()
    for keyword in ("additionalProperties", "items"):
        if isinstance(schema.get(keyword), Mapping):
            yield keyword, schema[keyword]


def to_json_schema(schema: Mapping[str, Any]) -> JsonObject:
    """Return the JSON Schema (2020-12) of an OpenAPI v3 schema."""
    converted = {key: value for key, value in schema.items() if key in _SAME_IN_JSON_SCHEMA}
    if _MAP_KEYS in schema:
        converted[_MAP_KEYS] = schema[_MAP_KEYS]
    if schema.get("x-kubernetes-int-or-string"):
        converted["type"] = ["integer", "string"]
    if schema.get("nullable") and "type" in converted:
        converted["type"] = [converted["type"], "null"]
    for bound, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if schema.get(strict):
            converted[strict] = converted.pop(bound)
    return converted | _converted_children(schema)


def _converted_children(schema: Mapping[str, Any]) -> JsonObject:
    converted: JsonObject = {}
    if "properties" in schema:
        converted["properties"] = {name: to_json_schema(child) for name, child in schema["properties"].items()}
    for keyword in ("additionalProperties", "items"):
        if isinstance(schema.get(keyword), Mapping):
            converted[keyword] = to_json_schema(schema[keyword])
    return converted


def transition_rules(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[TransitionRule]:
    """Return the CEL rules of a schema; raises UnsupportedSchemaError for any but `self == oldSelf`."""
    rules = [_rule(rule, path) for rule in schema.get("x-kubernetes-validations", ())]
    for name, child in schema.get("properties", {}).items():
        rules += transition_rules(child, (*path, name))
    for keyword in ("additionalProperties", "items"):
        if isinstance(schema.get(keyword), Mapping) and transition_rules(schema[keyword]):
            message = f"schema of {'.'.join(path)}: the embedded API knows no rules inside lists and maps"
            raise UnsupportedSchemaError(message)
    return rules


def _rule(rule: Mapping[str, Any], path: tuple[str, ...]) -> TransitionRule:
    expression = rule.get("rule", "")
    where = ".".join(path) or "the object"
    unknown = sorted(set(rule) - {"rule", "message"})
    if expression != _IMMUTABLE or unknown:
        said = f"rule {expression!r}" + (f" with {', '.join(unknown)}" if unknown else "")
        message = f"schema of {where}: the embedded API knows the rule {_IMMUTABLE!r} only, not {said}"
        raise UnsupportedSchemaError(message)
    return TransitionRule(path, rule.get("message") or f"failed rule: {expression}")


_WRITTEN_WITH_EXPONENT = 1e21
_PRESERVE = "x-kubernetes-preserve-unknown-fields"


def fit(value: Any, schema: Mapping[str, Any], path: str, unknown: list[str]) -> Any:
    """Return a copy without unknown fields and needless nulls, with defaults; pruned paths go to `unknown`.

    A value whose type is wrong is returned as it is: the validation says so later.
    """
    if isinstance(value, dict):
        return _fit_object(value, schema, path, unknown)
    if isinstance(value, list) and "items" in schema:
        return [fit(item, schema["items"], f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    if isinstance(value, float) and value.is_integer() and abs(value) < _WRITTEN_WITH_EXPONENT:
        return int(value)  # as Go writes it
    return value


def _fit_object(value: JsonObject, schema: Mapping[str, Any], path: str, unknown: list[str]) -> JsonObject:
    fitted = {}
    for name, item in value.items():
        child = _child(schema, name)
        where = f"{path}.{name}" if path else name
        if child is None:
            unknown.append(where)
        elif item is not None or child.get("nullable") or not child:
            fitted[name] = fit(item, child, where, unknown)
    for name, child in schema.get("properties", {}).items():
        if name not in fitted and "default" in child:
            fitted[name] = fit(child["default"], child, name, unknown)
    return fitted


def _child(schema: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return the schema of a field; empty where anything goes, None where the field is unknown."""
    properties = schema.get("properties", {})
    if name in properties:
        return properties[name]  # type: ignore[no-any-return]
    rest = schema.get("additionalProperties")
    if isinstance(rest, Mapping):
        return rest
    return {} if rest or schema.get(_PRESERVE) or not schema else None


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


def _twice(error: ValidationError, _called: str) -> tuple[str, str]:
    return "FieldValueDuplicate", f"Duplicate value: {error.message}"


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
    _MAP_KEYS: _twice,
    **dict.fromkeys(_RELATIONS, _out_of_bounds),
}


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


def _check_map_keys(_validator: Any, keys: list[str], instance: Any, _schema: Any) -> Iterator[ValidationError]:
    met: list[JsonObject] = []
    for index, item in enumerate(instance if isinstance(instance, list) else ()):
        key = {name: item[name] for name in keys if name in item} if isinstance(item, dict) else {}
        if key and key in met:
            yield ValidationError(quoted(key), path=(index,))
        met.append(key)


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"required": _check_required, "pattern": _check_pattern, _MAP_KEYS: _check_map_keys}
)


class Schema:
    """A structural schema, compiled once. Without one, every field is known and nothing is checked.

    Raises UnsupportedSchemaError for a schema with checks that are not made here.
    """

    def __init__(self, openapi: Mapping[str, Any] | None = None) -> None:
        self.structure: Mapping[str, Any] = openapi or {}
        """As the definition gives it."""
        check_supported(self.structure)
        self.rules: list[TransitionRule] = transition_rules(self.structure)
        self._required = self.structure.get("required", [])
        properties = self.structure.get("properties", {})
        self._validators = {
            name: _Validator(to_json_schema(schema), format_checker=_FORMATS)
            for name, schema in properties.items()
            if name not in _ENVELOPE
        }

    def fit(self, obj: JsonObject) -> tuple[JsonObject, list[str]]:
        """Return the object without unknown fields, with defaults; and the paths that were pruned."""
        if not self.structure:
            return obj, []
        unknown: list[str] = []
        envelope = {name: value for name, value in obj.items() if name in _ENVELOPE}
        content = {name: value for name, value in obj.items() if name not in _ENVELOPE}
        return envelope | fit(content, self.structure, "", unknown), unknown

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

"""CRD schemas turned into JSON Schema; what this server would not check is refused, never ignored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]

_IMMUTABLE = "self == oldSelf"
_SAME_IN_JSON_SCHEMA = {"type", "format", "required", "enum", "pattern", "multipleOf", "minimum", "maximum"}
_SAME_IN_JSON_SCHEMA |= {f"{bound}{what}" for bound in ("min", "max") for what in ("Length", "Items", "Properties")}
_SAYS_NOTHING = {"description", "title", "example", "externalDocs", "x-kubernetes-map-type"}
_HANDLED_ELSEWHERE = {"properties", "additionalProperties", "items", "nullable", "default"}
_HANDLED_ELSEWHERE |= {"exclusiveMinimum", "exclusiveMaximum", "x-kubernetes-preserve-unknown-fields"}
_HANDLED_ELSEWHERE |= {"x-kubernetes-int-or-string", "x-kubernetes-validations", "x-kubernetes-list-type"}
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
    if schema.get("x-kubernetes-list-type", "atomic") != "atomic":
        message = f"schema of {path}: the embedded API knows atomic lists only"
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

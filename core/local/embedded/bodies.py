"""Request bodies: size, type, JSON, and whether they hold what the URL says."""

from typing import Any

from pydantic_core import from_json

from core.local.embedded import objectmeta
from core.local.embedded.calls import Call
from core.local.embedded.decoding import DecodeError
from core.local.embedded.kinds import JsonObject, Kind
from core.local.embedded.statuses import (
    ApiError,
    Cause,
    Target,
    bad_request,
    invalid,
    too_large,
    unsupported_media_type,
)

MAX_BODY = 3 * 1024 * 1024  # bytes; the API server's limit
_ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_NO_OBJECT = "couldn't get version/kind; json parse error: "


def media_type(call: Call) -> str:
    """Return the Content-Type without parameters."""
    return call.headers.get("content-type", "").partition(";")[0].strip()


def parse(call: Call, *, context: str) -> Any:
    """Return the body's JSON value; ApiError 400, 413."""
    if len(call.body) > MAX_BODY:
        raise too_large(MAX_BODY)
    try:
        return from_json(call.body, allow_inf_nan=False)
    except ValueError as error:
        raise bad_request(f"{context}{error}") from error


def parse_object(call: Call, *, context: str) -> JsonObject:
    """Return the JSON object in a body that says it is JSON; ApiError 400, 413, 415."""
    if media_type(call) not in ("", "application/json"):
        raise unsupported_media_type(_ACCEPTED)
    obj = parse(call, context=f"{context}{_NO_OBJECT}")
    if not isinstance(obj, dict):
        raise bad_request(f"{context}{_NO_OBJECT}the body is no object")
    return obj


def read_object(call: Call, kind: Kind, *, directive: str = "") -> tuple[JsonObject, list[str]]:
    """Return the object in a body, fitted to its kind, and warnings; `directive` as in `fitted`.

    Raises:
        ApiError: 400, 413, 415, 422.
    """
    unrecognized = f"the object provided is unrecognized (must be of type {kind.kind}): "
    obj = parse_object(call, context=unrecognized)
    _check_type(obj, kind, unrecognized)
    try:
        return fitted(obj, kind, directive=directive)
    except DecodeError as error:
        cannot = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
        raise bad_request(f"{cannot}: {error}") from error


def _check_type(obj: JsonObject, kind: Kind, unrecognized: str) -> None:
    name, version = obj.get("kind") or "", obj.get("apiVersion") or ""
    if not kind.custom:
        name, version = name or kind.kind, version or kind.api_version
    if not name:
        raise bad_request(f"{unrecognized}Object 'Kind' is missing")
    if version != kind.api_version:
        expected = "does not match the expected API version"
        raise bad_request(f"the API version in the data ({version}) {expected} ({kind.api_version})")
    if name != kind.kind and not kind.custom:
        raise bad_request(f'{name} in version "{kind.version}" cannot be handled as a {kind.kind}')
    check_kind(obj, kind)


def check_kind(obj: JsonObject, kind: Kind) -> None:
    """Raise ApiError 422 for a custom object of another kind than the URL's."""
    name = obj.get("kind") or kind.kind
    if name != kind.kind:
        raise _wrong_kind(obj, kind, name)


def _wrong_kind(obj: JsonObject, kind: Kind, name: str) -> ApiError:
    metadata = obj.get("metadata")
    called = metadata.get("name", "") if isinstance(metadata, dict) else ""
    cause = Cause("FieldValueInvalid", f'Invalid value: "{name}": must be {kind.kind}', "kind")
    return invalid(Target(kind.group, name), called, [cause])


def fitted(obj: JsonObject, kind: Kind, *, directive: str) -> tuple[JsonObject, list[str]]:
    """Return an object without unknown fields, and warnings about them.

    `directive` is what the client asked for: Warn (or nothing), Strict or Ignore.

    Raises:
        DecodeError: a type is wrong; under Strict, a field is unknown.
    """
    content, unknown = kind.schema.fit(kind.decode(obj))
    metadata = objectmeta.read(content, kind, unknown)
    typed = {"apiVersion": kind.api_version, "kind": kind.kind}
    warnings = [f'unknown field "{path}"' for path in sorted(unknown)]
    if warnings and directive == "Strict":
        raise DecodeError(f"strict decoding error: {', '.join(warnings)}")
    return typed | content | typed | {"metadata": metadata}, [] if directive == "Ignore" else warnings

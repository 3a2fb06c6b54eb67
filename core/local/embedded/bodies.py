"""Request bodies: size, type, JSON, and whether they hold what the URL says."""

from typing import Any

from pydantic_core import from_json

from core.local.embedded import objectmeta
from core.local.embedded.calls import Call
from core.local.embedded.kinds import JsonObject, Kind
from core.local.embedded.statuses import (
    ApiError,
    Cause,
    Target,
    bad_request,
    internal,
    invalid,
    too_large,
    unsupported_media_type,
)

MAX_BODY = 3 * 1024 * 1024  # bytes; the API server's limit
MAX_STORED = 1_572_864  # bytes; etcd's limit for one request
_ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


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


def read_object(call: Call, kind: Kind) -> tuple[JsonObject, list[str]]:
    """Return the object in a body, fitted to its kind, and the paths of fields that are unknown.

    Raises:
        ApiError: 400, 413, 415, 422.
    """
    if media_type(call) not in ("", "application/json"):
        raise unsupported_media_type(_ACCEPTED)
    unrecognized = f"the object provided is unrecognized (must be of type {kind.kind}): "
    obj = parse(call, context=f"{unrecognized}couldn't get version/kind; json parse error: ")
    if not isinstance(obj, dict):
        raise bad_request(f"{unrecognized}couldn't get version/kind; json parse error: the body is no object")
    _check_type(obj, kind, unrecognized)
    return fitted(obj, kind)


def _check_type(obj: JsonObject, kind: Kind, unrecognized: str) -> None:
    name, version = obj.get("kind") or "", obj.get("apiVersion") or ""
    if not kind.custom:
        name, version = name or kind.kind, version or kind.api_version
    if not name:
        text = repr(obj).replace("'", '"')
        raise bad_request(f"{unrecognized}Object 'Kind' is missing in '{text}'")
    if version != kind.api_version:
        expected = "does not match the expected API version"
        raise bad_request(f"the API version in the data ({version}) {expected} ({kind.api_version})")
    if name != kind.kind:
        raise _wrong_kind(obj, kind, name)


def _wrong_kind(obj: JsonObject, kind: Kind, name: str) -> ApiError:
    if not kind.custom:
        return bad_request(f'{name} in version "{kind.version}" cannot be handled as a {kind.kind}')
    given = obj.get("metadata")
    called = given.get("name", "") if isinstance(given, dict) else ""
    cause = Cause("FieldValueInvalid", f'Invalid value: "{name}": must be {kind.kind}', "kind")
    return invalid(Target(kind.group, name), called, [cause])


def fitted(obj: JsonObject, kind: Kind) -> tuple[JsonObject, list[str]]:
    """Return an object without unknown fields, and their paths; ApiError 400 for wrong types in metadata."""
    content, unknown = kind.schema.fit(kind.decode(obj))
    metadata = objectmeta.read(content, kind, unknown)
    envelope = {"apiVersion": kind.api_version, "kind": kind.kind}
    return envelope | content | envelope | {"metadata": metadata}, unknown


def check_strict(kind: Kind, unknown: list[str], directive: str) -> list[str]:
    """Return the warnings for unknown fields; ApiError 400 where the client asked for strictness."""
    said = [f'unknown field "{path}"' for path in unknown]
    if said and directive == "Strict":
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: strict decoding error: '
            + ", ".join(said)
        )
    return [] if directive == "Ignore" else said


def check_stored_size(obj: JsonObject, size: int) -> None:
    """Raise ApiError 500, as the API server does, for an object that etcd would not take."""
    if obj and size > MAX_STORED:
        raise internal("etcdserver: request is too large")

"""What goes over the wire: bodies read into objects, their metadata and options checked, objects written as answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from pydantic_core import from_json, to_json

from core.local.embedded.calls import Answer, Call
from core.local.embedded.kinds import JsonObject, Kind
from core.local.embedded.statuses import (
    ApiError,
    Cause,
    DecodeError,
    Target,
    bad_request,
    internal,
    invalid,
    not_acceptable,
    too_large,
    unmarshal_error,
    unsupported_media_type,
)
from core.local.embedded.store import Listing, Stored
from core.local.embedded.tables import table

MAX_BODY = 3 * 1024 * 1024  # bytes; the API server's limit
_ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_NO_OBJECT = "couldn't get version/kind; json parse error: "


def media_type(call: Call) -> str:
    """Return the Content-Type without parameters."""
    return call.headers.get("content-type", "").partition(";")[0].strip()


def parse_body(call: Call, *, context: str) -> Any:
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
    obj = parse_body(call, context=f"{context}{_NO_OBJECT}")
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
    metadata = read_metadata(content, kind, unknown)
    typed = {"apiVersion": kind.api_version, "kind": kind.kind}
    warnings = [f'unknown field "{path}"' for path in sorted(unknown)]
    if warnings and directive == "Strict":
        raise DecodeError(f"strict decoding error: {', '.join(warnings)}")
    return typed | content | typed | {"metadata": metadata}, [] if directive == "Ignore" else warnings


_METADATA_TYPES: dict[str, type] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "uid": str,
    "resourceVersion": str,
    "generation": int,
    "creationTimestamp": str,
    "deletionTimestamp": str,
    "deletionGracePeriodSeconds": int,
    "labels": dict,
    "annotations": dict,
    "ownerReferences": list,
    "finalizers": list,
    "managedFields": list,
}
_SERVER_SET = {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"}
_SERVER_SET |= {"managedFields", "resourceVersion"}
_KEPT_ON_UPDATE = ("name", "namespace", "creationTimestamp", "deletionTimestamp", "generation")
_CHECKED_ON_UPDATE = ("uid", "deletionGracePeriodSeconds")
_DROPPED_ON_UPDATE = ("creationTimestamp", "generation", "managedFields", "resourceVersion")
_GO_TYPES = {str: "string", int: "int64", dict: "map[string]string", list: "[]string"}


def read_metadata(obj: JsonObject, kind: Kind, unknown: list[str]) -> JsonObject:
    """Return a copy of an object's metadata with known, non-empty fields only.

    Raises:
        DecodeError: a field is of the wrong type.
    """
    given = obj.get("metadata")
    if given is None:
        return {}
    if not isinstance(given, dict):
        into = "value" if kind.custom else f"struct field {kind.kind}.metadata"
        raise unmarshal_error(given, f"{into} of type v1.ObjectMeta")
    unknown += [f"metadata.{field}" for field in given if field not in _METADATA_TYPES]
    known = {field: value for field, value in given.items() if field in _METADATA_TYPES and value is not None}
    for field, value in known.items():
        _check_metadata_field(field, value, "ObjectMeta" if kind.custom else "ObjectMeta.metadata")
    return {field: value for field, value in known.items() if value}


def _check_metadata_field(field: str, value: Any, within: str) -> None:
    wanted = _METADATA_TYPES[field]
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise unmarshal_error(value, f"struct field {within}.{field} of type {_GO_TYPES[wanted]}")
    if field in ("labels", "annotations", "finalizers"):
        items: Any = value.values() if isinstance(value, dict) else value
        for item in items:
            if not isinstance(item, str):
                raise unmarshal_error(item, f"struct field {within}.{field} of type string")


def metadata_for_create(metadata: JsonObject, *, kind: Kind, namespace: str, uid: str, time: str) -> JsonObject:
    """Return the metadata of a new object; what clients may not set is dropped."""
    fresh = {field: value for field, value in metadata.items() if field not in _SERVER_SET}
    fresh |= {"uid": uid, "creationTimestamp": time}
    if kind.namespaced:
        fresh["namespace"] = namespace
    if kind.counts_generation:
        fresh["generation"] = 1
    return fresh


def metadata_for_update(metadata: JsonObject, old: JsonObject) -> JsonObject:
    """Return the metadata of an updated object; what the server keeps to itself is as it was."""
    kept = {field: old[field] for field in _KEPT_ON_UPDATE if field in old}
    optional = {field: old[field] for field in _CHECKED_ON_UPDATE if field in old and not metadata.get(field)}
    return {field: value for field, value in metadata.items() if field not in _DROPPED_ON_UPDATE} | optional | kept


def resource_version(metadata: JsonObject) -> int:
    """Return the revision a client writes on, 0 where it says none; 500 for one that is no number."""
    text = metadata.get("resourceVersion") or "0"
    if not (text.isascii() and text.isdecimal()):
        raise internal(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def check_namespace(metadata: JsonObject, kind: Kind, namespace: str) -> None:
    """Raise 400 when the object names another namespace than the URL."""
    if kind.namespaced and metadata.get("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_DIRECTIVES = ("", "Ignore", "Strict", "Warn")
_MAX_MANAGER = 128  # bytes


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """`manager` is noted in managedFields; `directive` is Ignore, Strict, or Warn by default."""

    manager: str
    directive: str


def write_options(call: Call, verb: str) -> WriteOptions:
    """Read the options of a write; ApiError 400, 422."""
    if "dryRun" in call.query:
        raise bad_request("the embedded API knows no dryRun: leave it out")
    manager, directive = call.query.get("fieldManager", ""), call.query.get("fieldValidation", "")
    causes = []
    if len(manager.encode()) > _MAX_MANAGER:
        long = f"Too long: may not be more than {_MAX_MANAGER} bytes"
        causes.append(Cause("FieldValueTooLong", long, "fieldManager"))
    if directive not in _DIRECTIVES:
        supported = ", ".join(f'"{one}"' for one in _DIRECTIVES)
        unsupported = f'Unsupported value: "{directive}": supported values: {supported}'
        causes.append(Cause("FieldValueNotSupported", unsupported, "fieldValidation"))
    if causes:
        raise invalid(Target("meta.k8s.io", _KINDS[verb]), "", causes)
    return WriteOptions(manager or _from_user_agent(call), directive)


def _from_user_agent(call: Call) -> str:
    """The agent's first part, as far as it is printable."""
    agent = call.headers.get("user-agent", "").partition("/")[0]
    printable = "".join(letter for letter in agent if letter.isprintable())
    return printable[:_MAX_MANAGER] or "unknown"


def preconditions(call: Call) -> dict[str, str]:
    """Return the preconditions of a DELETE.

    Raises:
        ApiError: 400 for options that cannot be read, or would be ignored; 413, 415.
    """
    options = parse_object(call, context="") if call.body else {}
    if options.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request(f'no kind "{options["kind"]}" is registered for version "v1"')
    if options.get("propagationPolicy", "Background") != "Background" or {"dryRun"} & {*options, *call.query}:
        raise bad_request("the embedded API deletes in the background only, and knows no dryRun")
    asked = options.get("preconditions") or {}
    for field, value in asked.items():
        if not isinstance(value, str):
            raise bad_request(str(unmarshal_error(value, f"struct field Preconditions.preconditions.{field}")))
    return dict(asked)


_SERVED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_PARTIAL = {
    "PartialObjectMetadata": "object",
    "PartialObjectMetadataList": "list",
}
_JSON_TYPES = ("*/*", "application/*", "application/json")
JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-cache, private"}


def json_answer(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a value as a JSON answer."""
    return Answer(status=status, body=to_json(value), headers=JSON_HEADERS | dict(headers or {}))


def text_answer(status: int, text: str) -> Answer:
    """Return plain text."""
    return Answer(status=status, body=text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})


def error_answer(error: ApiError) -> Answer:
    """Return an error's Status."""
    return json_answer(error.code, error.status(), error.headers)


class Form(Enum):
    """What of an object an answer has."""

    WHOLE = "whole"
    METADATA = "metadata"
    TABLE = "table"


def wants_metadata_only(call: Call) -> bool:
    """Whether the client prefers PartialObjectMetadata; ApiError 406 when it takes no JSON at all."""
    return wanted_form(call) is Form.METADATA


def wanted_form(call: Call, *, tables: bool = False) -> Form:
    """Return the form that the client prefers of those there are; ApiError 406 when it takes no JSON at all."""
    accept = call.headers.get("accept", "")
    for choice in accept.split(",") if accept else ["*/*"]:
        media_type, *parameters = (part.strip() for part in choice.split(";"))
        named = dict(part.split("=", 1) for part in parameters if "=" in part)
        if media_type not in _JSON_TYPES:
            continue
        if "as" not in named:
            return Form.WHOLE
        if (named.get("g"), named.get("v")) != ("meta.k8s.io", "v1"):
            continue
        if named["as"] in _PARTIAL:
            return Form.METADATA
        if tables and named["as"] == "Table":
            return Form.TABLE
    raise not_acceptable(_SERVED)


def object_answer(status: int, stored: Stored, *, metadata_only: bool, warnings: Iterable[str] = ()) -> Answer:
    """Return one object."""
    body = to_json(_partial(stored)) if metadata_only else stored.json
    headers = dict(JSON_HEADERS)
    said = ", ".join(f'299 - "{_escaped(text)}"' for text in warnings)
    if said:
        headers["Warning"] = said
    return Answer(status=status, body=body, headers=headers)


def list_answer(kind: Kind, listing: Listing, *, metadata_only: bool) -> Answer:
    """Return a list; the items are put together from texts that are made once per object."""
    head: JsonObject = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version}
    if metadata_only:
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        items = [to_json(_partial(stored)) for stored in listing.items]
    else:
        items = [stored.json if kind.custom else stored.item_json for stored in listing.items]
    metadata = {"resourceVersion": str(listing.revision)} | ({"continue": ""} if kind.custom else {})
    opening = to_json(head | {"metadata": metadata})[:-1]
    body = opening + b',"items":[' + b",".join(items) + b"]}"
    return Answer(status=200, body=body, headers=JSON_HEADERS)


_INCLUDED = ("", "Metadata", "Object", "None")


def included(call: Call) -> str:
    """Return what of its object each row of a table is to have; ApiError 400 for a word of another meaning."""
    asked = call.query.get("includeObject", "")
    if asked not in _INCLUDED:
        why = f"includeObject: Invalid value: \"{asked}\": must be 'Metadata', 'Object', 'None', or empty"
        raise bad_request(f"Unable to convert to Table as requested: {why}")
    return asked


def table_answer(kind: Kind, items: Iterable[Stored], *, revision: int, include: str, now: datetime) -> Answer:
    """Return objects as a table; `include` as in `table`."""
    values = [stored.value for stored in items]
    return json_answer(200, table(kind.columns, values, revision=str(revision), include=include, now=now))


def _partial(stored: Stored) -> JsonObject:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": stored.metadata}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')

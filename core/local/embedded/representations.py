"""Answers: JSON texts of objects and lists, whole or metadata only."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_json

from core.local.embedded.calls import Answer, Call
from core.local.embedded.kinds import Kind
from core.local.embedded.statuses import ApiError, not_acceptable
from core.local.embedded.store import Listing
from core.local.embedded.stored import Stored

JsonObject = dict[str, Any]

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


def wants_metadata_only(call: Call) -> bool:
    """Whether the client prefers PartialObjectMetadata; ApiError 406 when it takes no JSON at all."""
    accept = call.headers.get("accept", "")
    for choice in accept.split(",") if accept else ["*/*"]:
        media_type, *parameters = (part.strip() for part in choice.split(";"))
        named = dict(part.split("=", 1) for part in parameters if "=" in part)
        if media_type not in _JSON_TYPES:
            continue
        if "as" not in named:
            return False
        if named["as"] in _PARTIAL and (named.get("g"), named.get("v")) == ("meta.k8s.io", "v1"):
            return True
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


def _partial(stored: Stored) -> JsonObject:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": stored.metadata}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')

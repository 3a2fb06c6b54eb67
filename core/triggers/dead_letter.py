"""A dead letter: a CloudEvent that could not be delivered, as an object of the kind DeadLetter and as a request."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from core.common.text import cut_utf8
from core.kube.resources import Resource
from core.triggers.cloud_events import attributes_and_data

if TYPE_CHECKING:
    from collections.abc import Mapping

DEAD_LETTERS = Resource(
    "sluice.kubernaut.ai",
    "v1alpha1",
    "deadletters",
    "DeadLetter",
    custom=True,
    definition="knative/cluster/dead-letter-crd.yaml",
)

MOST_DATA_BYTES = 256 * 1024
"""Of one event. A ResourceQuota bounds how many there are: 500 of this size are 125 MiB of etcd's 2 GiB."""

MOST_EXTENSIONS = 32

_ATTRIBUTE_BYTES = 2048
_WRITTEN_BYTES = MOST_DATA_BYTES * 4 // 3  # of base64; escaped for JSON, a text may be six times as long as it is
_ERROR = "knativeerror"
_ERROR_EXTENSIONS = {f"{_ERROR}dest": "destination", f"{_ERROR}code": "code", f"{_ERROR}data": "answer"}
_NAMED = ("type", "source", "id", "subject", "time", "specversion")
_JSON = "application/json"

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A CloudEvent that could not be delivered.

    Args:
        attributes: all of them by name, extensions too, but for those that tell why it is here.
        data: as it came.
        content_type: of the data.
        failure: what the sender says of the last delivery: destination, code, answer.
        cut: something was too long, and what is kept is not the whole event.
        size: bytes of the data as it came.
    """

    attributes: Mapping[str, str]
    data: bytes
    content_type: str = _JSON
    failure: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    size: int = 0

    @property
    def name(self) -> str:
        """Its object's name: the same event has the same name, however often it comes.

        Source and id name an event (CloudEvents 1.0, section 3.1.1); type and data are for senders that use an id
        twice, and so that no other event stands for it.
        """
        digest = hashlib.sha256(to_json([self.attributes.get(name, "") for name in ("source", "id", "type")]))
        digest.update(self.data)
        return f"dead-letter-{digest.hexdigest()[:24]}"

    @property
    def label(self) -> str:
        """What people know it by."""
        known = self.attributes
        return f"{known.get('type', '')} {known.get('id', '')} of {known.get('source', '')}"


def read_dead_letter(headers: Mapping[str, str], body: bytes) -> DeadLetter:
    """Read the dead letter that a Broker sends.

    Raises:
        PayloadError: there is none, or several.
    """
    given, data = attributes_and_data(headers, body)
    content_type = given.pop("datacontenttype", "") or _JSON
    failure = {key: given.pop(name) for name, key in _ERROR_EXTENSIONS.items() if given.get(name)}
    if "answer" in failure:
        failure["answer"] = _plain(failure["answer"])
    named = {name: given[name] for name in _NAMED if given.get(name)}
    others = {name: text for name, text in sorted(given.items()) if name not in _NAMED and text}
    kept = named | dict(list(others.items())[:MOST_EXTENSIONS])
    attributes = {name: _short(text) for name, text in kept.items()}
    return DeadLetter(
        attributes=attributes,
        data=data[:MOST_DATA_BYTES],
        content_type=_short(content_type),
        failure={key: _short(text) for key, text in failure.items()},
        cut=len(data) > MOST_DATA_BYTES or attributes != named | others,
        size=len(data),
    )


def to_object(letter: DeadLetter, *, namespace: str) -> JsonObject:
    """Return the object that keeps a dead letter."""
    named = {name: letter.attributes[name] for name in _NAMED if name in letter.attributes}
    extensions = {name: text for name, text in letter.attributes.items() if name not in _NAMED}
    spec: JsonObject = {**named, "dataContentType": letter.content_type, "size": letter.size}
    spec |= _written(letter.data)
    if extensions:
        spec["extensions"] = extensions
    if letter.failure:
        spec["failure"] = dict(letter.failure)
    if letter.cut:
        spec["cut"] = True
    return {
        "apiVersion": DEAD_LETTERS.api_version,
        "kind": DEAD_LETTERS.kind,
        "metadata": {
            "name": letter.name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": "sluice", "app.kubernetes.io/part-of": "sluice"},
        },
        "spec": spec,
    }


def from_object(obj: JsonObject) -> DeadLetter:
    """Return the dead letter that an object keeps; what is missing or of a wrong type is empty."""
    spec = _mapping(obj.get("spec"))
    named = {name: str(spec[name]) for name in _NAMED if name in spec}
    extensions = {name: str(text) for name, text in _mapping(spec.get("extensions")).items()}
    data = b64decode(str(spec["dataBase64"])) if "dataBase64" in spec else str(spec.get("data", "")).encode()
    size = spec.get("size")
    return DeadLetter(
        attributes=extensions | named,
        data=data,
        content_type=str(spec.get("dataContentType") or _JSON),
        failure={key: str(text) for key, text in _mapping(spec.get("failure")).items()},
        cut=spec.get("cut") is True,
        size=size if isinstance(size, int) else len(data),
    )


def to_request(letter: DeadLetter) -> tuple[dict[str, str], bytes]:
    """Return headers and body that send a dead letter again, in structured mode (HTTP binding 1.0, section 3.2): its
    attributes may hold what no header can."""
    document: JsonObject = dict(letter.attributes) | {"datacontenttype": letter.content_type}
    document.setdefault("specversion", "1.0")
    if letter.data:  # else it came without: JSON's null would be data
        document |= _as_member(letter)
    return {"Content-Type": "application/cloudevents+json"}, json.dumps(document).encode()


def _as_member(letter: DeadLetter) -> JsonObject:
    """Return the data as structured mode has it: JSON as it is, anything else in base64."""
    if "json" in letter.content_type.lower():
        with suppress(ValueError, RecursionError):
            return {"data": json.loads(letter.data)}
    return {"data_base64": b64encode(letter.data).decode()}


def _written(data: bytes) -> JsonObject:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if (text or not data) and len(to_json(text)) <= _WRITTEN_BYTES:
        return {"data": text}
    return {"dataBase64": b64encode(data).decode()}


def _plain(answer: str) -> str:
    """Return the function's answer as it was: Knative's channels give its beginning as base64, cut at any place."""
    whole = answer[: len(answer) // 4 * 4]
    try:
        return b64decode(whole, validate=True).decode(errors="ignore") if whole else answer
    except ValueError:
        return answer


def _short(text: str) -> str:
    return cut_utf8(text, limit=_ATTRIBUTE_BYTES)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

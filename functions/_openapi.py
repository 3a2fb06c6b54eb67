"""The OpenAPI document of a function that takes webhooks, loaded only when somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from core.answers import JSON, PROBLEM
from core.results import Status
from core.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.triggers.descriptions import Description

_PROBLEMS = {
    400: "The body can never work, or every alert in it is poison: do not send it again.",
    401: "No bearer token, or one the API server does not know.",
    403: "The sender may not create remediationrequests/signals.",
    405: "Another method than those described.",
    413: "The body is larger than SLUICE_MAX_BODY, as it comes or unpacked.",
    415: "Another Content-Type than JSON in UTF-8, or a Content-Encoding that is not gzip.",
    503: "Some part could not be stored now: send the same request again.",
}
_SUCCESSES = {
    200: "Nothing to do: resolved, out of scope, empty, or poison among others that are fine.",
    201: "At least one remediation request was created.",
    202: "Only repeats, with or without ignored alerts.",
}


def document(bodies: Mapping[str, Description]) -> bytes:
    """Return the document (OpenAPI 3.1) as JSON.

    Args:
        bodies: what is told of those that are taken, by path; the first is what the function is for.
    """
    description = next(iter(bodies.values()))
    return to_json(
        {
            "openapi": "3.1.0",
            "info": {
                "title": description.title,
                "version": VERSION,
                "description": description.about,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "paths": {path: {"post": _receive(each, number)} for number, (path, each) in enumerate(bodies.items())}
            | {
                "/healthz": _probe("health", "The process is alive.", {200: _state("healthy")}),
                "/readyz": _probe(
                    "readiness", "RRs can be read.", {200: _state("ready", warnings=_SENTENCES), 503: _problem(503)}
                ),
                "/metrics": {"get": _get("metrics", "Metrics.", {200: _text(), 405: _problem(405)})},
                "/openapi.json": {"get": _get("description", "This document.", {200: _json({"type": "object"})})},
            },
            "components": {
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
                "schemas": _bodies(bodies) | _SCHEMAS,
            },
        }
    )


def _bodies(bodies: Mapping[str, Description]) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    for each in bodies.values():
        schemas |= {each.name: each.schema, **each.parts}
    return schemas


def _receive(body: Description, number: int) -> dict[str, Any]:
    return {
        "operationId": f"receive{body.name}{number or ''}",
        "summary": body.summary,
        # SLUICE_AUTH=none asks for no token.
        "security": [{"bearer": []}, {}],
        "requestBody": {"required": True, "content": {JSON: {"schema": _reference(body.name)}}},
        "responses": {str(code): _json(_reference("Answer"), said) for code, said in _SUCCESSES.items()}
        | {str(code): _problem(code) for code in _PROBLEMS},
    }


def _probe(name: str, said: str, responses: dict[int, Any]) -> dict[str, Any]:
    head = {code: {"description": response["description"]} for code, response in responses.items()}
    return {"get": _get(name, said, responses), "head": _get(f"{name}Head", said, head)}


def _get(name: str, said: str, responses: dict[int, Any]) -> dict[str, Any]:
    return {"operationId": name, "summary": said, "responses": {str(code): each for code, each in responses.items()}}


def _problem(code: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": _PROBLEMS[code],
        "content": {PROBLEM: {"schema": _reference("Problem")}},
    }
    if code == 503:
        seconds = {"type": "integer", "minimum": 1, "maximum": 60}
        response["headers"] = {"Retry-After": {"required": True, "schema": seconds}}
    return response


def _json(schema: dict[str, Any], said: str = "As asked for.") -> dict[str, Any]:
    return {"description": said, "content": {JSON: {"schema": schema}}}


def _state(state: str, **more: Mapping[str, Any]) -> dict[str, Any]:
    return _json({"type": "object", "required": ["status"], "properties": {"status": {"const": state}, **more}})


def _text() -> dict[str, Any]:
    return {"description": "Prometheus text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT = {"type": "string"}
_SENTENCES = {"type": "array", "items": _TEXT, "description": "What works, and is not likely to be meant."}
_COUNT = {"type": "integer", "minimum": 0}
_CONTENT = {"summary": _reference("Summary"), "results": {"type": "array", "items": _reference("Result")}}

_RESULT = {
    "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "remediationRequestName": _TEXT,
    "remediationRequestNamespace": _TEXT,
    "duplicate": {"type": "boolean"},
    "metadata": _reference("DeduplicationMetadata"),
    "target": _reference("Target"),
    "foundBy": _TEXT,
    "rejection": {
        "type": "object",
        "required": ["reason", "action"],
        "properties": {"reason": _TEXT, "action": _TEXT},
        "additionalProperties": False,
    },
    "silencedUntil": {"type": "string", "format": "date-time"},
    "reason": _TEXT,
    "detail": _TEXT,
    "error": _TEXT,
}
_STATUSES = [status.value for status in Status]
_ALONE = ["duplicate" if status is Status.DEDUPLICATED else status.value for status in Status]

_SCHEMAS: dict[str, Any] = {
    "Answer": {
        "description": "For a body of one alert its result stands beside the list too, a repeat as `duplicate`.",
        "type": "object",
        "required": ["summary", "results"],
        "properties": _CONTENT | {"status": {"enum": _ALONE}} | _RESULT,
    },
    "Problem": {
        "description": "RFC 9457.",
        "type": "object",
        "required": ["type", "title", "status", "detail", "summary", "results"],
        "properties": {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT} | _CONTENT,
    },
    "Summary": {
        "type": "object",
        "required": ["received", *Status],
        "properties": {"received": _COUNT, "truncated": _COUNT} | {status.value: _COUNT for status in Status},
        "additionalProperties": False,
    },
    "Result": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"enum": _STATUSES}} | _RESULT,
        "additionalProperties": False,
    },
    "Target": {
        "type": "object",
        "required": ["kind", "name"],
        "properties": {"kind": _TEXT, "name": _TEXT, "namespace": _TEXT},
        "additionalProperties": False,
    },
    "DeduplicationMetadata": {
        "type": "object",
        "properties": {
            "fingerprint": _TEXT,
            "count": {"type": "integer", "minimum": 1},
            "remediationRequestRef": _TEXT,
            "firstOccurrence": _TEXT,
            "lastOccurrence": _TEXT,
        },
        "additionalProperties": False,
    },
}

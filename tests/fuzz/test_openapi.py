"""The description that the HTTP function serves is true: schemathesis holds the function to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from urllib.parse import unquote, urlsplit

import pytest
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.errors import SluiceError
from core.triggers.descriptions import ALERTMANAGER, KUBERNETES_EVENT
from functions._openapi import document
from functions._serving import Route, Routes, handlers_over
from tests.fuzz.checks import DOCUMENTED
from tests.fuzz.effort import effort
from tests.fuzz.served import serve

if TYPE_CHECKING:
    from tests.fuzz.served import Served

EVENTS = Route(path="/api/v1/signals/kubernetes-event", receiver_over=Mock(), description=KUBERNETES_EVENT)
ROUTES = Routes(paths=("/", "/api/v1/signals/prometheus"), description=ALERTMANAGER, others=(EVENTS,))
DOCUMENT = json.loads(document(ROUTES.bodies))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
]
OPERATIONS = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}


def send(served: Served, case: Any) -> Response:
    """Send what schemathesis made up."""
    kwargs = case.as_transport_kwargs(base_url="http://sluice")
    known = {key: kwargs[key] for key in kwargs.keys() & {"method", "url", "headers", "json", "data"}}
    prepared = requests.Request(**known).prepare()
    body: Any = prepared.body or b""
    answer = served.ask(
        body.encode() if isinstance(body, str) else body,
        {
            name: value.decode("latin-1") if isinstance(value, bytes) else value
            for name, value in prepared.headers.items()
        },
        method=str(prepared.method),
        path=unquote(urlsplit(prepared.url or "").path),
    ).answer
    headers = {name.lower(): [value] for name, value in answer.headers.items()}
    return Response(answer.status, headers, answer.body, prepared, elapsed=0.0, verify=False)


@SCHEMA.parametrize()
@effort(25)
def test_function_answers_as_described(webhooks, case):
    case.validate_response(send(webhooks, case), checks=CHECKS)


def test_description_is_served(webhooks):
    answer = webhooks.ask(b"", {}, method="GET", path="/openapi.json").answer
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == DOCUMENT


def test_every_path_and_method_is_described_and_no_other():
    handlers, fallback = handlers_over(Mock(), routes=ROUTES, intake=Mock())
    assert {*ROUTES.all_paths, "/healthz", "/readyz", "/metrics", "/openapi.json"} == set(handlers)
    assert {
        (path, each.lower()) for path, handler in handlers.items() for each in handler.methods.split(", ")
    } == OPERATIONS
    assert fallback.methods == ""


@pytest.mark.parametrize("path", ROUTES.all_paths)
def test_codes_are_those_of_the_table_of_answers(path):
    described = {int(code) for code in DOCUMENT["paths"][path]["post"]["responses"]}
    assert described == DOCUMENTED - {404}  # what is nowhere described


@pytest.mark.parametrize("error", [kind for kind in SluiceError.__subclasses__() if hasattr(kind, "status")])
def test_code_of_each_error_is_described(error):
    assert str(error.status) in DOCUMENT["paths"]["/"]["post"]["responses"]


def test_missing_token_is_answered_as_described(tmp_path):
    with serve("alertmanager", tmp_path, auth="kubernetes") as guarded:
        answer = guarded.ask(b"", {}).answer
    assert answer.problem(401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert DOCUMENT["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}

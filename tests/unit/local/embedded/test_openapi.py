"""OpenAPI of all that is served; tests/contract/test_kubectl.py shows that kubectl can use it."""

import json
from typing import Any

import pytest

from core.local.embedded import Call, EmbeddedApi

API = EmbeddedApi()


def asked(path: str) -> tuple[int, Any]:
    answer = API.handle(Call(method="GET", path=path))
    return answer.status, json.loads(answer.body) if answer.status == 200 else answer.body.decode()


def links(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {value["$ref"]} if isinstance(value.get("$ref"), str) else set().union(*map(links, value.values()))
    return set().union(*map(links, value)) if isinstance(value, list) else set()


def test_list_leads_to_a_document_for_each_group_and_version():
    status, body = asked("/openapi/v3")
    assert status == 200
    assert {"api/v1", "apis/apps/v1", "apis/remediation.kubernaut.ai/v1alpha1"} <= set(body["paths"])
    for each in body["paths"].values():
        code, document = asked(each["serverRelativeURL"])
        assert (code, document["openapi"]) == (200, "3.0.0")
        defined = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert links(document) - defined == set()


def test_kind_in_a_document_is_found_by_its_type_and_has_its_fields():
    _, document = asked("/openapi/v3/apis/apps/v1")
    types = {
        each["kind"]: schema
        for schema in document["components"]["schemas"].values()
        for each in schema.get("x-kubernetes-group-version-kind", ())
    }
    assert set(types) == {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"}
    assert {"apiVersion", "kind", "metadata", "spec", "status"} == set(types["Deployment"]["properties"])


def test_what_a_kind_refers_to_has_its_fields_at_every_depth():
    _, document = asked("/openapi/v3/apis/apps/v1")
    schemas = document["components"]["schemas"]
    schema = next(each for name, each in schemas.items() if name.endswith("apps.v1.Deployment"))
    for field, expected in (("spec", "replicas"), ("template", "metadata"), ("spec", "containers")):
        (link,) = links(schema["properties"][field])
        schema = schemas[link.removeprefix("#/components/schemas/")]
        assert expected in schema["properties"]


@pytest.mark.parametrize("path", ["/openapi/v3/apis/no.such/v1", "/openapi/v3/api/v9", "/openapi/v2"])
def test_what_is_not_served_has_none(path: str):
    assert asked(path) == (404, "404 page not found\n")

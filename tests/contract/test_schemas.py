"""A definition with every keyword that the embedded API knows: defaults, pruning and each rule's words."""

from typing import Any

import pytest

from tests.contract.client import Client
from tests.contract.conftest import CRDS
from tests.contract.objects import cause, invalid

GROUP = "sink.example"
FIELDS: dict[str, Any] = {
    "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "maxLength": 3}},
    "map": {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 2,
        "additionalProperties": {"type": "integer"},
    },
    "bounded": {"type": "integer", "minimum": 1, "maximum": 5},
    "strict": {
        "type": "number",
        "minimum": 1,
        "exclusiveMinimum": True,
        "maximum": 5,
        "exclusiveMaximum": True,
    },
    "even": {"type": "integer", "multipleOf": 2},
    "maybe": {"type": "string", "nullable": True},
    "size": {"type": "integer", "default": 3},
    "nested": {"type": "object", "default": {}, "properties": {"a": {"type": "string", "default": "x"}}},
    "port": {"x-kubernetes-int-or-string": True},
    "day": {"type": "string", "format": "date"},
    "mail": {"type": "string", "format": "email"},
    "ip": {"type": "string", "format": "ipv4"},
    "ip6": {"type": "string", "format": "ipv6"},
    "id": {"type": "string", "format": "uuid"},
    "i32": {"type": "integer", "format": "int32"},
    "flag": {"type": "boolean"},
    "choice": {"type": "integer", "enum": [1, 2]},
    "records": {
        "type": "array",
        "items": {"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}}},
    },
    "named": {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        "items": {
            "type": "object",
            "required": ["k"],
            "properties": {"k": {"type": "string"}, "v": {"type": "string"}},
        },
    },
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": FIELDS},
        "status": {"type": "object", "properties": {"p": {"type": "string"}}},
    },
}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"things.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "Thing", "plural": "things"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
    },
}
DEFAULTS = {"nested": {"a": "x"}, "size": 3}


@pytest.fixture
async def things(api: Client, namespace: str) -> str:
    """The path of the kind with all keywords."""
    assert (await api.post(CRDS, CRD)).status in (201, 409)
    path = f"/apis/{GROUP}/v1/namespaces/{namespace}/things"
    while (await api.get(path, resourceVersion="0")).status != 200:
        pass
    return path


def thing(spec: Any, **more: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec, **more}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({}, {}),
        ({"list": ["a", "b"], "map": {"a": 1}}, {"list": ["a", "b"], "map": {"a": 1}}),
        ({"bounded": 2.0, "strict": 2.5}, {"bounded": 2, "strict": 2.5}),
        ({"maybe": None}, {"maybe": None}),
        ({"size": None}, {}),
        ({"flag": None}, {}),
        ({"nested": {"a": None}}, {}),
        ({"nested": {"a": "y", "b": 1}}, {"nested": {"a": "y"}}),
        ({"port": "http"}, {"port": "http"}),
        ({"port": 80}, {"port": 80}),
        ({"day": "2026-01-02", "mail": "a@b.c"}, {"day": "2026-01-02", "mail": "a@b.c"}),
        ({"ip": "1.2.3.4", "ip6": "::1"}, {"ip": "1.2.3.4", "ip6": "::1"}),
        ({"id": "12345678-1234-1234-1234-123456789012"}, {"id": "12345678-1234-1234-1234-123456789012"}),
        ({"records": [{"n": "a", "m": 1}]}, {"records": [{"n": "a"}]}),
        ({"free": {"a": None, "b": [None, {}]}}, {"free": {"a": None, "b": [None, {}]}}),
    ],
)
async def test_what_is_stored(api: Client, things: str, given: Any, stored: Any):
    reply = await api.post(things, thing(given))
    assert reply.status == 201, reply.body
    assert reply.body["spec"] == DEFAULTS | stored


def wrong_type(field: str, wanted: str, found: str) -> dict[str, str]:
    message = f'Invalid value: "{found}": {field} in body must be of type {wanted}: "{found}"'
    return cause(field, message, "FieldValueTypeInvalid")


def wrong_format(field: str, wanted: str, value: str) -> dict[str, str]:
    message = f'Invalid value: "{value}": {field} in body must be of type {wanted}: "{value}"'
    return cause(field, message, "FieldValueTypeInvalid")


def wrong(field: str, value: Any, why: str) -> dict[str, str]:
    return cause(field, f"Invalid value: {value}: {field} in body should {why}")


def unchecked(field: str, wanted: str) -> dict[str, str]:
    return cause("<nil>", f'Invalid value: "": Checked value must be of type {wanted} in {field}')


@pytest.mark.parametrize(
    ("given", "causes"),
    [
        ({"list": []}, [wrong("spec.list", 0, "have at least 1 items")]),
        (
            {"list": ["a", "b", "c"]},
            [cause("spec.list", "Too many: 3: must have at most 2 items", "FieldValueTooMany")],
        ),
        (
            {"list": ["abcd"]},
            [cause("spec.list[0]", "Too long: may not be more than 3 bytes", "FieldValueTooLong")],
        ),
        (
            {"list": [5, None]},
            [wrong_type("spec.list[0]", "string", "integer"), wrong_type("spec.list[1]", "string", "null")],
        ),
        ({"list": {"a": 1}}, [wrong_type("spec.list", "array", "object")]),
        ({"map": {}}, [wrong("spec.map", 0, "have at least 1 properties")]),
        (
            {"map": {"a": 1, "b": 2, "c": 3}},
            [cause("spec.map", "Too many: 3: must have at most 2 items", "FieldValueTooMany")],
        ),
        ({"map": {"a": "x"}}, [wrong_type("spec.map.a", "integer", "string")]),
        ({"bounded": 0}, [wrong("spec.bounded", 0, "be greater than or equal to 1")]),
        ({"bounded": 6}, [wrong("spec.bounded", 6, "be less than or equal to 5")]),
        (
            {"bounded": 1.5},
            [
                wrong_type("spec.bounded", "integer", "number"),
                unchecked("spec.bounded", "integer (default format)"),
            ],
        ),
        ({"strict": 1}, [wrong("spec.strict", 1, "be greater than 1")]),
        ({"strict": 5}, [wrong("spec.strict", 5, "be less than 5")]),
        ({"even": 3}, [wrong("spec.even", 3, "be a multiple of 2")]),
        ({"port": 1.5}, [wrong_type("spec.port", "integer,string", "number")]),
        ({"port": []}, [wrong_type("spec.port", "integer,string", "array")]),
        ({"day": "x"}, [wrong_format("spec.day", "date", "x")]),
        ({"mail": "x"}, [wrong_format("spec.mail", "email", "x")]),
        ({"ip": "x"}, [wrong_format("spec.ip", "ipv4", "x")]),
        ({"ip6": "x"}, [wrong_format("spec.ip6", "ipv6", "x")]),
        ({"id": "x"}, [wrong_format("spec.id", "uuid", "x")]),
        ({"i32": 2**31}, [unchecked("spec.i32", "integer with format int32")]),
        ({"flag": "x"}, [wrong_type("spec.flag", "boolean", "string")]),
        (
            {"choice": 3},
            [cause("spec.choice", 'Unsupported value: 3: supported values: "1", "2"', "FieldValueNotSupported")],
        ),
        ({"records": [5]}, [wrong_type("spec.records[0]", "object", "integer")]),
        ({"records": [{}]}, [cause("spec.records[0].n", "Required value", "FieldValueRequired")]),
        ({"records": [{"n": 1}]}, [wrong_type("spec.records[0].n", "string", "integer")]),
        (
            {"named": [{"k": "a", "v": "1"}, {"k": "b"}, {"k": "a"}]},
            [cause("spec.named[2]", 'Duplicate value: {"k":"a"}', "FieldValueDuplicate")],
        ),
    ],
)
async def test_what_is_refused(api: Client, things: str, given: Any, causes: list[dict[str, str]]):
    reply = await api.post(things, thing(given))
    assert reply.status == 422, reply.body
    assert reply.body == invalid(GROUP, "Thing", "t", *causes)


class TestWithoutStatusSubresource:
    async def test_status_is_a_field_like_any_other(self, api: Client, things: str):
        made = (await api.post(things, thing({}, status={"p": "x"}))).body
        assert made["status"] == {"p": "x"}
        changed = await api.put(f"{things}/t", made | {"spec": made["spec"] | {"bounded": 2}, "status": {"p": "y"}})
        assert changed.body["status"] == {"p": "y"}
        assert changed.body["metadata"]["generation"] == 2

    async def test_there_is_no_such_path(self, api: Client, things: str):
        await api.post(things, thing({}))
        reply = await api.patch(f"{things}/t/status", {})
        assert (reply.status, reply.body["message"]) == (404, f'things.{GROUP} "t" not found')

    async def test_a_changed_default_field_counts_a_generation(self, api: Client, things: str):
        await api.post(things, thing({}))
        reply = await api.patch(f"{things}/t", {"spec": {"size": 4}})
        assert (reply.body["spec"], reply.body["metadata"]["generation"]) == (DEFAULTS | {"size": 4}, 2)

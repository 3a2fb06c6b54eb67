"""What is said of the kinds that are served: discovery, and OpenAPI v3.

OpenAPI is what `kubectl explain` shows, and where kubectl sees that fields are validated here. The fields of built-in
kinds come from the models of the `kubernetes` package, those of custom kinds from their definitions. Paths name no more
than kubectl looks at.
"""

import types
from collections.abc import Iterable
from datetime import datetime
from inspect import getdoc
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from core.local.embedded.access import REVIEWS
from core.local.embedded.calls import missing
from core.local.embedded.kinds import Kind, Registry
from core.local.embedded.statuses import PageNotFoundError

JsonObject = dict[str, Any]
HEALTH_PATHS = frozenset(("/healthz", "/livez", "/readyz"))
# The release whose behaviour the contract suite compares with.
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.3", "platform": "embedded"}
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
_VERBS_OF_STATUS = ["get", "patch", "update"]


def describe(path: str, registry: Registry) -> JsonObject:
    """Return the discovery document at a path; PageNotFoundError where there is none."""
    kinds = list(registry)
    parts = [part for part in path.split("/") if part]
    if path == "/version":
        return VERSION
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if parts == ["apis"]:
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(kinds)}
    found = _group_or_version(parts, kinds)
    if found is None:
        raise _missing(parts, registry)
    return found


def _missing(parts: list[str], registry: Registry) -> Exception:
    match parts:
        case ["api", _]:
            return missing("", registry)
        case ["apis", group, _]:
            return missing(group, registry)
    return PageNotFoundError()


def _group_or_version(parts: list[str], kinds: list[Kind]) -> JsonObject | None:
    match parts:
        case ["api", version]:
            return _resources("", version, kinds)
        case ["apis", group]:
            described = next((one for one in _groups(kinds) if one["name"] == group), None)
            return described and {"kind": "APIGroup", "apiVersion": "v1"} | described
        case ["apis", group, version]:
            return _resources(group, version, kinds)
    return None


def _groups(kinds: Iterable[Kind]) -> list[JsonObject]:
    versions: dict[str, list[JsonObject]] = {}
    for kind in kinds:
        said = {"groupVersion": kind.api_version, "version": kind.version}
        known = versions.setdefault(kind.group, [])
        if kind.group and said not in known:
            known.append(said)
    return [
        {"name": group, "versions": known, "preferredVersion": known[0]} for group, known in versions.items() if group
    ]


def _resources(group: str, version: str, kinds: Iterable[Kind]) -> JsonObject | None:
    served = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    if not served:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": served[0].api_version,
        "resources": [entry for kind in served for entry in _entries(kind)],
    }


def _entries(kind: Kind) -> list[JsonObject]:
    entry = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": ["create"] if kind.resource in REVIEWS else _VERBS,
    }
    status = entry | {"name": f"{kind.plural}/status", "singularName": "", "verbs": _VERBS_OF_STATUS}
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    return [entry, status] if kind.status_subresource else [entry]


_REFERENCE = "#/components/schemas/"
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}
_METADATA_SAYS = (
    "Standard object's metadata. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
_EVENTS = {"": "CoreV1Event", "events.k8s.io": "EventsV1Event"}
_VALIDATION = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}


def openapi(path: str, registry: Registry) -> JsonObject:
    """Return the document at a path: the list of them at /openapi/v3, else a group's in one version.

    Raises:
        PageNotFoundError: that group and version are not served.
    """
    named = path.removeprefix("/openapi/v3").strip("/")
    by_version: dict[str, list[Kind]] = {}
    for kind in registry:
        by_version.setdefault(_root(kind), []).append(kind)
    if not named:
        return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in by_version}}
    if named not in by_version:
        raise missing("no built-in group", registry)
    return _document(by_version[named])


def _root(kind: Kind) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def _document(kinds: Iterable[Kind]) -> JsonObject:
    schemas: JsonObject = {}
    paths: JsonObject = {}
    for kind in kinds:
        schemas[_schema_name(kind)] = _of_kind(kind, schemas)
        paths |= _paths(kind)
    info = {"title": "Sluice's embedded Kubernetes API", "version": kind.version}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _schema_name(kind: Kind) -> str:
    return ".".join((*reversed((kind.group or "core").split(".")), kind.version, kind.kind))


def _paths(kind: Kind) -> JsonObject:
    place = f"/{_root(kind)}" + ("/namespaces/{namespace}" if kind.namespaced else "") + f"/{kind.plural}"
    type_ = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    verb: JsonObject = {"x-kubernetes-group-version-kind": type_, "responses": {"200": {"description": "OK"}}}
    write = verb | {"parameters": [_VALIDATION]}
    return {place: {"get": verb, "post": write}, f"{place}/{{name}}": {"get": verb, "put": write, "patch": write}}


def _of_kind(kind: Kind, schemas: JsonObject) -> JsonObject:
    from kubernetes.client import models  # noqa: PLC0415 - takes a second, and few ask for this

    type_ = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    marked = {"x-kubernetes-group-version-kind": [type_]}
    if kind.custom:
        return {**kind.schema.structure, "properties": _custom_properties(kind, models, schemas)} | marked
    name = _EVENTS.get(kind.group, "") if kind.kind == "Event" else f"V1{kind.kind}"
    return _of_model(getattr(models, name), schemas) | marked


def _custom_properties(kind: Kind, models: Any, schemas: JsonObject) -> JsonObject:
    """A definition's own, and what the API server puts beside them: every object has those."""
    typed = {
        name: {"description": models.V1Lease.model_fields[field].description, "type": "string"}
        for name, field in (("apiVersion", "api_version"), ("kind", "kind"))
    }
    reference = _referred(models.V1ObjectMeta, schemas)
    metadata = {"description": _METADATA_SAYS, "allOf": [reference]}
    return {**kind.schema.structure.get("properties", {}), **typed, "metadata": metadata}


def _referred(model: type[BaseModel], schemas: JsonObject) -> JsonObject:
    """A reference to a model's schema, which is added to `schemas` with all that it refers to."""
    bare = model.__name__.removeprefix("Core").removeprefix("Events").removeprefix("V1")
    name = f"io.k8s.{model.__name__}.{bare}"
    if name not in schemas:
        schemas[name] = {}  # for models that contain themselves
        schemas[name] = _of_model(model, schemas)
    return {"$ref": f"{_REFERENCE}{name}"}


def _of_model(model: Any, schemas: JsonObject) -> JsonObject:
    said = (getdoc(model) or "").partition("\n\nAttributes:")[0].strip()
    fields = {_json_name(model, name): field for name, field in model.model_fields.items()}
    properties = {
        name: _described(_of_type(field.annotation, schemas), field.description) for name, field in fields.items()
    }
    required = [name for name, field in fields.items() if field.is_required()]
    whole: JsonObject = {"description": said, "type": "object", "properties": properties}
    return whole | ({"required": required} if required else {})


def _json_name(model: Any, name: str) -> str:
    """The field's name in JSON: a model writes what is a word of Python in another way."""
    alias = model.model_fields[name].alias or name
    return str(model.attribute_map.get(alias, model.attribute_map.get(name, alias)))


def _described(schema: JsonObject, text: str | None) -> JsonObject:
    if not text:
        return schema
    # In OpenAPI 3.0 nothing stands beside a reference.
    return {"description": text} | ({"allOf": [schema]} if "$ref" in schema else schema)


def _of_type(annotation: Any, schemas: JsonObject) -> JsonObject:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of_type(arguments[0], schemas)
    if origin in (Union, types.UnionType):
        (first, *_) = [each for each in arguments if each is not type(None)]
        return _of_type(first, schemas)
    if origin in (list, dict):
        inner = _of_type(arguments[-1], schemas)
        return (
            {"type": "array", "items": inner} if origin is list else {"type": "object", "additionalProperties": inner}
        )
    if annotation is datetime:
        return {"type": "string", "format": "date-time"}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _referred(annotation, schemas)
    return {"type": _PLAIN.get(annotation, "object")}

"""Which kinds are served: the one that a path and a verb mean, and what discovery says of all."""

from collections.abc import Iterable
from typing import Any

from core.local.embedded.access import REVIEWS
from core.local.embedded.calls import ResourcePath
from core.local.embedded.kinds import Kind, Registry
from core.local.embedded.statuses import PageNotFoundError, method_not_allowed, no_such_resource, not_found

JsonObject = dict[str, Any]
_STATUS_VERBS = ("get", "update", "patch")
_NAMED_VERBS = ("get", "update", "patch", "delete")


def route(path: ResourcePath, verb: str, kinds: Registry) -> Kind:
    """Return the kind that is called.

    Raises:
        ApiError: 404 for a kind or subresource that is not served, 405 for a verb that does not fit the path.
        PageNotFoundError: the same as the 404, outside the built-in groups.
    """
    kind = kinds.find(path.group, path.version, path.plural)
    if kind is None:
        raise missing(path.group, kinds)
    if path.subresource:
        _check_subresource(path, verb, kind)
    _check_scope(path, verb, kind, kinds)
    if bool(path.name) != (verb in _NAMED_VERBS):
        raise method_not_allowed()
    return kind


def missing(group: str, kinds: Registry) -> Exception:
    """Return the 404 for what is not served of a group: in plain text unless the group is built in."""
    return no_such_resource() if kinds.is_built_in(group) else PageNotFoundError()


def _check_subresource(path: ResourcePath, verb: str, kind: Kind) -> None:
    if path.subresource != "status" or not kind.status_subresource:
        raise not_found(kind.resource, path.name) if kind.custom else no_such_resource()
    if verb not in _STATUS_VERBS:
        raise method_not_allowed()


def _check_scope(path: ResourcePath, verb: str, kind: Kind, kinds: Registry) -> None:
    if path.namespace and not kind.namespaced:
        raise missing(path.group, kinds)
    if kind.namespaced and not path.namespace and (path.name or verb == "create"):
        raise method_not_allowed() if verb == "create" and not kind.custom else missing(path.group, kinds)


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

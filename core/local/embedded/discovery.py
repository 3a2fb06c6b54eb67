"""What the API says about itself: versions, groups, resources, health."""

from collections.abc import Iterable
from typing import Any

from core.local.embedded.kinds import Kind, Registry
from core.local.embedded.reviews import REVIEWS
from core.local.embedded.routing import missing
from core.local.embedded.statuses import PageNotFoundError

JsonObject = dict[str, Any]

HEALTH_PATHS = frozenset(("/healthz", "/livez", "/readyz"))
# The release whose behaviour the contract suite compares with.
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.3", "platform": "embedded"}
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
_STATUS_VERBS = ["get", "patch", "update"]


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
    status = entry | {"name": f"{kind.plural}/status", "singularName": "", "verbs": _STATUS_VERBS}
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    return [entry, status] if kind.status_subresource else [entry]

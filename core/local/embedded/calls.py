"""Calls and answers; URL paths of the Kubernetes API taken apart, and the kind that a path and a verb mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.local.embedded.kinds import Kind, Registry
from core.local.embedded.statuses import PageNotFoundError, Target, method_not_allowed, no_such_resource, not_found


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: `path` and `query` are unescaped, header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One complete answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_PAIR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePath:
    """What a path names; empty where it names nothing."""

    group: str
    version: str
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def type(self) -> Target:
        """The plural with its group."""
        return Target(self.group, self.plural)

    @property
    def resource(self) -> str:
        """The resource as access rules name it, subresource included."""
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


def parse(path: str) -> ResourcePath | None:
    """Return what a path below /api or /apis names; None for every other path."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= _PAIR:
        return _resource("", parts[1], parts[2:])
    if parts[:1] == ["apis"] and len(parts) > _PAIR:
        return _resource(parts[1], parts[2], parts[3:])
    return None


def _resource(group: str, version: str, rest: list[str]) -> ResourcePath:
    namespace = ""
    # /namespaces/NAME and its subresources are the Namespace itself.
    if rest[:1] == ["namespaces"] and len(rest) > _PAIR and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "", "")[:3]
    return ResourcePath(
        group=group,
        version=version,
        namespace=namespace,
        plural=plural,
        name=name,
        subresource="/".join((subresource, *rest[3:])) if subresource else "",
    )


def verb(method: str, path: ResourcePath, *, watch: bool) -> str:
    """Return the verb as access rules name it; empty for a method the API does not know."""
    if method == "GET":
        return "get" if path.name else "watch" if watch else "list"
    if method == "DELETE":
        return "delete" if path.name else "deletecollection"
    return _WRITES.get(method, "")


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

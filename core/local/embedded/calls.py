"""Calls, answers, and URL paths of the Kubernetes API taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.local.embedded.statuses import Target


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

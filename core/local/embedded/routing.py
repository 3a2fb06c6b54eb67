"""Which kind a path and a verb mean, or why they mean none."""

from core.local.embedded.kinds import Kind, Registry
from core.local.embedded.paths import ResourcePath
from core.local.embedded.statuses import PageNotFoundError, method_not_allowed, no_such_resource, not_found

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

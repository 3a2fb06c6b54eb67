"""Merge patch (RFC 7396) and JSON patch (RFC 6902) on objects that are never changed in place."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from core.local.embedded.statuses import ApiError, bad_request, unprocessable_patch

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


def merged(target: Any, patch: Any) -> Any:
    """Return `target` after a merge patch; what the patch does not touch is shared with it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def json_patched(target: Any, operations: list[dict[str, Any]]) -> Any:
    """Return `target` after a JSON patch.

    Raises:
        ApiError: 422 for an operation that does not fit, a failed test included.
    """
    document = {"": deepcopy(target)}
    for operation in operations:
        try:
            _APPLY[operation["op"]](document, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise unprocessable_patch() from error
    return document[""]


def merge_patch(body: Any) -> Callable[[Any], Any]:
    """Return the change that a merge patch makes; 400 for a body that is no object."""
    if not isinstance(body, dict):
        raise _undecodable(body, "map[string]interface {}")
    return lambda target: merged(target, body)


def strategic_patch(body: Any) -> Callable[[Any], Any]:
    """Return the change that a strategic merge patch makes, where it is the same as a merge patch: without lists.

    Raises ApiError 400 for one with a list or a directive, which would need each field's merge key.
    """
    if _needs_merge_keys(body):
        why = "the embedded API knows no lists and no directives in strategic merge patches"
        raise bad_request(f"{why}: send a merge patch (kubectl patch --type=merge)")
    return merge_patch(body)


def _needs_merge_keys(patch: Any) -> bool:
    if isinstance(patch, dict):
        return any(key.startswith("$") or _needs_merge_keys(item) for key, item in patch.items())
    return isinstance(patch, list)


def json_patch(body: Any) -> Callable[[Any], Any]:
    """Return the change that a JSON patch makes; 400 for a body that is no list."""
    if not isinstance(body, list):
        raise _undecodable(body, "[]handlers.jsonPatchOp")
    return lambda target: json_patched(target, body)


def _undecodable(value: Any, go_type: str) -> ApiError:
    found = {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")
    return bad_request(f"error decoding patch: json: cannot unmarshal {found} into Go value of type {go_type}")


def _parent(document: Any, pointer: str) -> tuple[Any, Any]:
    """Return the container and the last key of an RFC 6901 pointer."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")]
    for part in parts[:-1]:
        document = document[_key(document, part)]
    return document, _key(document, parts[-1])


def _key(container: Any, part: str) -> Any:
    if isinstance(container, list):
        return len(container) if part == "-" else int(part)
    return part


def _add(document: Any, operation: dict[str, Any]) -> None:
    container, key = _parent(document, operation["path"])
    if isinstance(container, list):
        if key > len(container):
            raise IndexError(key)
        container.insert(key, operation["value"])
    else:
        container[key] = operation["value"]


def _remove(document: Any, operation: dict[str, Any]) -> None:
    container, key = _parent(document, operation["path"])
    del container[key]


def _replace(document: Any, operation: dict[str, Any]) -> None:
    container, key = _parent(document, operation["path"])
    container[key]  # must exist
    container[key] = operation["value"]


def _copy(document: Any, operation: dict[str, Any]) -> None:
    container, key = _parent(document, operation["from"])
    _add(document, {"path": operation["path"], "value": deepcopy(container[key])})


def _move(document: Any, operation: dict[str, Any]) -> None:
    container, key = _parent(document, operation["from"])
    value = container.pop(key)
    _add(document, {"path": operation["path"], "value": value})


def _test(document: Any, operation: dict[str, Any]) -> None:
    container, key = _parent(document, operation["path"])
    if container[key] != operation["value"]:
        raise ValueError(operation["path"])


_APPLY: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "copy": _copy,
    "move": _move,
    "test": _test,
}

"""GET, LIST and WATCH: read from a call, looked up in the store, answered."""

from core.local.embedded.calls import Answer, Call
from core.local.embedded.kinds import Kind
from core.local.embedded.paths import ResourcePath
from core.local.embedded.representations import JSON_HEADERS, list_answer, object_answer, wants_metadata_only
from core.local.embedded.selectors import Predicate, field_selector, label_selector
from core.local.embedded.statuses import bad_request
from core.local.embedded.store import Store
from core.local.embedded.watching import Watch


def get(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Answer one object; ApiError 400, 404, 406, 504."""
    metadata_only = wants_metadata_only(call)
    stored = store.get(kind, path.namespace, path.name, at_least=_at_least(call))
    return object_answer(200, stored, metadata_only=metadata_only)


def list_objects(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Answer all that a call selects, in one page; ApiError 400, 406, 504."""
    metadata_only = wants_metadata_only(call)
    listing = store.list(kind, path.namespace, where=_conditions(call, kind), at_least=_at_least(call))
    return list_answer(kind, listing, metadata_only=metadata_only)


def open_watch(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Watch:
    """Return the watch that a call asks for; ApiError 400."""
    return Watch(store, kind, path.namespace, where=_conditions(call, kind), since=_at_least(call))


def watch(store: Store, call: Call, path: ResourcePath, kind: Kind) -> Answer:
    """Answer what a watch sends first, for callers that cannot wait for more; ApiError 400."""
    lines, end = open_watch(store, call, path, kind).start(lambda _line: None)
    end()
    return Answer(status=200, body=b"".join(lines), headers=JSON_HEADERS)


def _at_least(call: Call) -> int | None:
    """Return the revision that a read must show at least, None for a consistent read."""
    text = call.query.get("resourceVersion", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{text}": {why}')
    return int(text)


def _conditions(call: Call, kind: Kind) -> list[Predicate]:
    if call.query.get("resourceVersionMatch", "NotOlderThan") != "NotOlderThan":
        raise bad_request("the embedded API knows resourceVersionMatch=NotOlderThan only")
    fields = field_selector(call.query.get("fieldSelector", ""), kind.selectable, custom=kind.custom)
    return fields + label_selector(call.query.get("labelSelector", ""))

"""A signal: one alert or event in the form every later step works on, and what an adapter makes of a payload.

What a signal may be about are its candidates; what makes two signals the same problem is their fingerprint.
Senders write the fields that an RR keeps, two or three times over; what is longer than an RR should carry is cut with
a mark, never refused: an alert is not lost for a long description.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, overload

from pydantic_core import to_json

from core.common.text import cut_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

_LOGGED_NAME_BYTES = 100

PAYLOAD_BYTES = 32 * 1024
"""Of `originalPayload` before base64: what tells people of the alert, far below what etcd takes (1.5 MiB)."""

TEXTS = 100
TEXTS_BYTES = 32 * 1024
_KEY_BYTES = 253
_TEXT_BYTES = 8 * 1024
# Characters of a string, entries of an object or list, levels: each tried where the one before leaves too much.
_TIGHTER = ((4096, 1000, 50), (1024, 200, 20), (256, 64, 10), (64, 16, 6), (32, 4, 4))

_LONGEST_NUMBER = 10**100


class Lookup(StrEnum):
    """What has to be asked of the cluster to get from a candidate to its object."""

    OBJECT = "object"
    """`target` is the object."""
    SINGULAR = "singular"
    """`target.kind` is a kind's singular name in lower case, such as `rollout`; the API server's discovery knows its
    kind and API version, and whether it has a namespace."""
    NODE_OF_POD = "node-of-pod"
    """`target` is a Pod; the object is the Node that it runs on."""


class Candidate(NamedTuple):
    """One object that a signal may be about.

    Args:
        target: the object, or what leads to it (see Lookup).
        label: the label that names it, as it stands on the alert.
        rule: short word for why that label counts (core.signals.targets).
        lookup: how the cluster is asked.
        must_exist: it counts only where the cluster has it. Any other one is taken as it is named where no
            candidate exists: its object is gone, or was never looked up.
    """

    target: TargetResource
    label: str
    rule: str
    lookup: Lookup = Lookup.OBJECT
    must_exist: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResource:
    """The object a signal is about; `namespace` is empty for cluster-scoped kinds, `uid` where it is not known."""

    kind: str
    name: str
    namespace: str = ""
    api_version: str = ""
    uid: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedSignal:
    """A firing alert or a warning event, whatever system sent it.

    `fingerprint` is the 64-character lower-case SHA-256 that names the problem. Times are timezone-aware.
    `candidates` are what its labels name, the likeliest first, where more than `target` alone may be meant.
    `provenance` are annotations of the RR that say where the signal came from. `payload` writes the
    JSON document kept on the RR as `originalPayload`; only a new RR needs it. `event_namespace` is that of
    the Event that told, empty for whatever is none. `found_by` says by which label and rule the target was found.
    `alert` tells one alert from another (alert_id), empty for what is never resolved; `resolved` is whether it has
    ended.
    """

    fingerprint: str
    signal_name: str
    severity: str
    signal_type: str
    target: TargetResource
    firing_time: datetime
    received_time: datetime
    signal_source: str = ""
    candidates: Sequence[Candidate] = ()
    target_type: str = "kubernetes"
    cluster_id: str = ""
    environment: str = ""
    priority: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    payload: Callable[[], bytes] = bytes
    event_namespace: str = ""
    found_by: str = ""
    alert: str = ""
    resolved: bool = False

    def described(self) -> dict[str, str]:
        """Return the fields by which log lines tell signals apart; what is not known is left out."""
        target = self.target
        fields = {
            "fingerprint": self.fingerprint,
            "alertname": cut_utf8(self.signal_name, limit=_LOGGED_NAME_BYTES),
            "target": "/".join(part for part in (target.namespace, target.kind, target.name) if part),
            "found_by": self.found_by,
        }
        return {key: text for key, text in fields.items() if text}


@dataclass(frozen=True, slots=True)
class Ignored:
    """An alert that asks for nothing, such as a resolved one.

    `reason` is a short machine-readable word. `message` tells people more, where there is more to tell; then
    `signal_name` says which alerts it is about; `nameless` is whether the alert itself has no name. `ended` is the
    signal that is resolved, where it is one: its RR may be told of it.
    """

    reason: str
    message: str = ""
    signal_name: str = ""
    nameless: bool = False
    ended: NormalizedSignal | None = field(default=None, compare=False, repr=False)


class Poison(NamedTuple):
    """An alert that can never become an RR: `reason` is a short word for metrics, `message` tells people
    the field, its value and the remedy, `labels` which alert it is, as far as it could be read."""

    reason: str
    message: str
    labels: Mapping[str, str] = MappingProxyType({})


Entry = NormalizedSignal | Ignored | Poison

T = TypeVar("T")


class Unread(Sequence[Entry], Generic[T]):
    """Entries that are read one by one, each when it is asked for.

    Whoever goes through a large batch can let others have their turn in between, and pays for no entry that it
    does not get to.

    Args:
        parts: of the payload, one for each entry.
        read: makes an entry of a part and its place.
    """

    def __init__(self, parts: Sequence[T], read: Callable[[T, int], Entry]) -> None:
        self._parts = parts
        self._read = read

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return self._read(self._parts[index], index)


class Batch(NamedTuple):
    """A decoded payload. `truncated` counts the alerts the sender cut off; `warnings` are sentences to log."""

    entries: Sequence[Entry]
    source: str
    truncated: int = 0
    warnings: Sequence[str] = ()


CLUSTER_LABELS = ("cluster",)
"""Labels that name a signal's cluster, where no setting says otherwise."""


def cluster_of(labels: Mapping[str, str], names: Sequence[str]) -> str:
    """Return the cluster that `labels` name: the first of `names` that is not empty counts."""
    return next((labels[name] for name in names if labels.get(name)), "")


def fingerprint_of(target: TargetResource, *, cluster: str = "") -> str:
    """Return the 64-character lower-case SHA-256 of `namespace:Kind:name`.

    Where `cluster` is not empty, of `cluster:namespace:Kind:name`. The alert's name is not part of it:
    different alerts on one workload share one RR (RemediationRequest reference, "Signals").
    """
    identity = f"{target.namespace}:{target.kind}:{target.name}"
    return hashlib.sha256(f"{cluster}:{identity}".encode() if cluster else identity.encode()).hexdigest()


RESOLVED = "resolved"
"""Reason of an alert that is ignored because it has ended."""


def alert_id(labels: Mapping[str, str]) -> str:
    """Return 16 hex digits that tell an alert from all others: by its labels, as Alertmanager does.

    What a sender says of itself (Alertmanager's `fingerprint`) is not believed: one could end another's alert.
    """
    return hashlib.sha256(repr(sorted(labels.items())).encode(errors="replace")).hexdigest()[:16]


def bounded_texts(values: Mapping[str, str]) -> dict[str, str]:
    """Return the first TEXTS labels or annotations, cut, with at most TEXTS_BYTES of keys and values in all."""
    kept: dict[str, str] = {}
    left = TEXTS_BYTES
    for key, text in values.items():
        short_key = cut_utf8(key, limit=_KEY_BYTES)
        short = cut_utf8(text, limit=max(0, min(_TEXT_BYTES, left - len(short_key.encode()))))
        left -= len(short_key.encode()) + len(short.encode())
        if left < 0 or len(kept) == TEXTS:
            break
        kept[short_key] = short
    return kept


def bounded_json(value: object, *, limit: int) -> bytes:
    """Write a value as JSON of at most `limit` bytes; where it is cut, marks in it say so."""
    written = _json(value)
    for characters, entries, levels in _TIGHTER:
        if len(written) <= limit:
            break
        written = _json(_shortened(value, characters, entries, levels))
    return written


def _shortened(value: object, characters: int, entries: int, levels: int) -> object:
    match value:
        case str():
            return value if len(value) <= characters else f"{value[:characters]}… (cut, {len(value)} characters)"
        case dict() | list() if levels == 0:
            return f"… (cut, {len(value)} entries)"
        case dict():
            return dict(_shortened_items(value, characters, entries, levels - 1))
        case list():
            kept = [_shortened(each, characters, entries, levels - 1) for each in value[:entries]]
            return kept if len(value) <= entries else [*kept, f"… (cut, {len(value)} entries)"]
        case int() if abs(value) > _LONGEST_NUMBER:
            return "… (cut, a long number)"
        case _:
            return value


def _shortened_items(
    value: dict[str, object], characters: int, entries: int, levels: int
) -> Iterator[tuple[str, object]]:
    for index, (key, each) in enumerate(value.items()):
        if index == entries:
            yield "…", f"(cut, {len(value)} entries)"
            return
        yield key[:characters], _shortened(each, characters, entries, levels)


def _json(value: object) -> bytes:
    # 1e400 is JSON, but no float: it is read as infinity, for which JSON has no word.
    return to_json(value, inf_nan_mode="strings")

"""What an adapter makes of one payload: an entry for each alert, in the payload's order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, overload

from core.signals.signal import NormalizedSignal


@dataclass(frozen=True, slots=True)
class Ignored:
    """An alert that asks for nothing, such as a resolved one.

    `reason` is a short machine-readable word. `message` tells people more, where there is more to tell; then
    `signal_name` says which alerts it is about.
    """

    reason: str
    message: str = ""
    signal_name: str = ""


@dataclass(frozen=True, slots=True)
class Poison:
    """An alert that can never become an RR: `reason` is a short word for metrics, `message` tells people
    the field, its value and the remedy, `labels` which alert it is, as far as it could be read."""

    reason: str
    message: str
    labels: Mapping[str, str] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class Batch:
    """A decoded payload. `truncated` counts the alerts the sender cut off; `warnings` are sentences to log."""

    entries: Sequence[Entry]
    source: str
    truncated: int = 0
    warnings: Sequence[str] = ()

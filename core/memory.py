"""What an instance remembers to save calls: bounded in size and age. Forgetting costs a call, never a mistake."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from core.clock import Clock

Key = TypeVar("Key", bound="Hashable")
Value = TypeVar("Value")


class BoundedMemory(Generic[Key, Value]):
    """Values by key. What was put in longest ago goes first; where `by_use`, what was used longest ago.

    Args:
        clock: source of monotonic time.
        capacity: how much is kept: entries, or what `weigh` makes of their values.
        max_age: seconds after which a value is not handed out any more, or tells them from the value.
        weigh: what one value counts towards the capacity.
        by_use: whether getting a value makes it the newest; its age stays.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        capacity: int,
        max_age: float | Callable[[Value], float] = float("inf"),
        weigh: Callable[[Value], int] = lambda _: 1,
        by_use: bool = False,
    ) -> None:
        self._clock = clock
        self._capacity = capacity
        self._max_age = max_age
        self._weigh = weigh
        self._by_use = by_use
        self._weight = 0
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        """Yield the keys, the one that goes first first; some may be too old to be handed out."""
        return iter(self._entries)

    def get(self, key: Key, *, max_age: float = float("inf")) -> Value | None:
        """Return the value of `key`, or None where there is none or it is older than `max_age` seconds."""
        entry = self._entries.get(key)
        if entry is None or self._age(entry) > min(max_age, self._limit(entry)):
            return None
        if self._by_use:
            self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: Key, value: Value, *, at: float | None = None) -> None:
        """Remember `value` as of now, or of the moment `at` on the clock; drop what is too much or too old."""
        self.pop(key)
        self._entries[key] = (self._clock.monotonic() if at is None else at, value)
        self._weight += self._weigh(value)
        while self._entries and (self._weight > self._capacity or self._first_is_old()):
            self.pop(next(iter(self._entries)))

    def pop(self, key: Key) -> Value | None:
        """Forget `key`, and return its value unless it was too old."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._weight -= self._weigh(entry[1])
        return entry[1] if self._age(entry) <= self._limit(entry) else None

    def _first_is_old(self) -> bool:
        entry = next(iter(self._entries.values()))
        return self._age(entry) > self._limit(entry)

    def _age(self, entry: tuple[float, Value]) -> float:
        return self._clock.monotonic() - entry[0]

    def _limit(self, entry: tuple[float, Value]) -> float:
        return self._max_age(entry[1]) if callable(self._max_age) else self._max_age

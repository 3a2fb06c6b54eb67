"""What happened in one run, in order, for people to read and for two runs to be compared."""

from __future__ import annotations

import hashlib
from collections import Counter


class Trace:
    """Lines of true time, actor and event; and how often each kind of fault and state was met."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str, str]] = []
        self.faults: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.used: dict[str, None] = {}
        """Keys of all that was injected, in order: what a shrinker may try to leave out."""

    def note(self, at: float, who: str, what: str) -> None:
        """Add a line."""
        self.lines.append((at, who, what))

    def fault(self, key: str, kind: str) -> None:
        """Count a fault that was injected."""
        self.faults[kind] += 1
        self.used[key] = None

    def state(self, name: str) -> None:
        """Count a state that was reached."""
        self.states[name] += 1

    @property
    def digest(self) -> str:
        """The same for two runs in which the same happened in the same order at the same times."""
        return hashlib.sha256(repr(self.lines).encode()).hexdigest()

    @property
    def interleaving(self) -> str:
        """The same for two runs in which the same happened in the same order."""
        order = [(who, what) for _, who, what in self.lines]
        return hashlib.sha256(repr(order).encode()).hexdigest()

    def __str__(self) -> str:
        return "\n".join(f"{at:10.3f}  {who:<14} {what}" for at, who, what in self.lines)

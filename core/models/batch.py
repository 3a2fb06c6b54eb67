"""What an adapter makes of one payload: an entry for each alert, in the payload's order."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.models.signal import NormalizedSignal


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
    """An alert that can never become a request: `reason` is a short word for metrics, `message` tells people
    the field, its value and the remedy."""

    reason: str
    message: str


Entry = NormalizedSignal | Ignored | Poison


@dataclass(frozen=True, slots=True)
class Batch:
    """A decoded payload. `truncated` counts the alerts the sender cut off; `warnings` are sentences to log."""

    entries: Sequence[Entry]
    source: str
    truncated: int = 0
    warnings: Sequence[str] = ()

"""What the doctor says: one line for each thing looked at, with the remedy where something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Works, and will hurt one day; or could not be looked at."""
    FAILURE = "failure"
    """Alerts are lost, refused or stored twice as it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `check` is a short word for scripts; `remedy` says what to do, empty where all is well."""

    check: str
    level: Level
    message: str
    remedy: str = ""

    def as_object(self) -> Mapping[str, str]:
        """Return it for JSON and YAML."""
        return {"check": self.check, "level": self.level.value, "message": self.message, "remedy": self.remedy}


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """See Level.WARNING."""
    return Finding(check, Level.WARNING, message, remedy)


def failure(check: str, message: str, remedy: str) -> Finding:
    """See Level.FAILURE."""
    return Finding(check, Level.FAILURE, message, remedy)

"""What is stored: every version of every object under one revision counter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """An object from one commit to the next; `obj` is None from its deletion on."""

    at: float
    obj: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One change: `before` is None for a CREATE, `after` for a DELETE; `at` is in true seconds."""

    actor: str
    verb: str
    plural: str
    name: str
    before: JsonObject | None
    after: JsonObject | None
    at: float


class Etcd:
    """All objects, now and before. `observers` are told of each commit before anybody is answered."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._history: dict[tuple[str, str], list[Version]] = {}
        self.revision = 0
        self.observers: list[Callable[[Commit], None]] = []

    def current(self, plural: str, name: str) -> JsonObject | None:
        """Return an object as it stands."""
        versions = self._history.get((plural, name))
        return versions[-1].obj if versions else None

    def objects(self, plural: str) -> list[JsonObject]:
        """Return all objects of a kind as they stand, by name."""
        found = (versions[-1].obj for versions in self._of(plural))
        return [obj for obj in found if obj is not None]

    def objects_at(self, plural: str, moment: float) -> list[JsonObject]:
        """Return all objects of a kind as they stood at a true second, by name."""
        found = (_at(versions, moment) for versions in self._of(plural))
        return [obj for obj in found if obj is not None]

    def ever(self, plural: str) -> list[JsonObject]:
        """Return each version of each object of a kind, those of objects that are gone too."""
        return [version.obj for versions in self._of(plural) for version in versions if version.obj is not None]

    def written_at(self, plural: str, name: str) -> float:
        """Return the true second of the last change to an object."""
        return self._history[plural, name][-1].at

    def commit(self, actor: str, verb: str, plural: str, name: str, after: JsonObject | None) -> None:
        """Store a change."""
        self.revision += 1
        before, at = self.current(plural, name), self._now()
        self._history.setdefault((plural, name), []).append(Version(at, after))
        change = Commit(actor=actor, verb=verb, plural=plural, name=name, before=before, after=after, at=at)
        for observer in self.observers:
            observer(change)

    def _of(self, plural: str) -> Iterator[list[Version]]:
        return (versions for (kind, _), versions in sorted(self._history.items()) if kind == plural)


def _at(versions: list[Version], moment: float) -> JsonObject | None:
    return next((version.obj for version in reversed(versions) if version.at <= moment), None)

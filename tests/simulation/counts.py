"""None lost: what was acknowledged is counted, and nothing is counted that was not sent."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.etcd import Commit


class Counts:
    """acknowledged <= counted <= delivered + allowed, for each fingerprint; the first for each request too.

    `delivered` are the alerts in all webhooks that reached a gateway, retries included. `allowed` are those
    that a gateway may count twice: it wrote a count, the answer was lost, and somebody else wrote over it or
    deleted the request, so that nobody can tell any more whether the first count was there.
    """

    def __init__(self) -> None:
        self.delivered: Counter[str] = Counter()
        self.acknowledged: Counter[str] = Counter()
        self._acknowledged_on: Counter[str] = Counter()
        self._allowed: Counter[str] = Counter()
        self._kept: dict[str, int] = {}
        self._deleted: Counter[str] = Counter()
        self.in_doubt = 0
        self._names: dict[str, dict[str, None]] = {}
        self._written: dict[str, Any] = {}
        self._uids: dict[str, str] = {}
        self._unanswered: dict[tuple[str, str], tuple[str, int, Any]] = {}

    def on_commit(self, commit: Commit, *, ours: bool) -> None:
        """Note what a request counts from now on."""
        fingerprint = (commit.after or commit.before or {})["spec"]["signalFingerprint"]
        self._names.setdefault(fingerprint, {})[commit.name] = None
        before, after = occurrences(commit.before), occurrences(commit.after)
        if commit.after is None:
            self._deleted[commit.name] += before
            del self._kept[commit.name], self._written[commit.name], self._uids[commit.name]
            return
        if ours:
            self._allow(commit.actor, fingerprint)
            if commit.verb == "CREATE":
                self._unanswered[commit.actor, fingerprint] = (commit.name, 1, _uid(commit.after))
            else:
                self._unanswered[commit.actor, fingerprint] = (commit.name, after - before, deduplication(commit.after))
        else:
            self._allowed[fingerprint] += after - before
        self._kept[commit.name] = after
        self._written[commit.name] = deduplication(commit.after)
        self._uids[commit.name] = _uid(commit.after)

    def _allow(self, actor: str, fingerprint: str) -> None:
        """Before a gateway counts: if its last count is written over, it cannot know whether that was stored."""
        name, lost, written = self._unanswered.pop((actor, fingerprint), ("", 0, None))
        # What it created it knows by the attempt's id, whatever others have written since.
        if name and written not in (self._written.get(name), self._uids.get(name)):
            self._allowed[fingerprint] += lost
            self.in_doubt += 1

    def on_answered(self, actor: str, name: str) -> None:
        """Note that a gateway knows of its last write to a request."""
        for key, (counted_on, _, _) in list(self._unanswered.items()):
            if key[0] == actor and counted_on == name:
                del self._unanswered[key]

    def acknowledge(self, fingerprint: str, name: str) -> None:
        """Note that a sender was told that one alert is stored on a request."""
        self.acknowledged[fingerprint] += 1
        self._acknowledged_on[name] += 1

    def counted(self, fingerprint: str) -> int:
        """Return the occurrences on all requests that a fingerprint ever had."""
        return sum(self._counted_on(name) for name in self._names.get(fingerprint, ()))

    def complaint(self, fingerprint: str) -> str:
        """Return what is wrong, or nothing."""
        counted, most = self.counted(fingerprint), self.delivered[fingerprint] + self._allowed[fingerprint]
        if self.acknowledged[fingerprint] > counted:
            return f"{self.acknowledged[fingerprint]} alerts were acknowledged, {counted} are counted"
        if counted > most:
            return f"{counted} alerts are counted, {most} were sent"
        for name in self._names.get(fingerprint, ()):
            if self._acknowledged_on[name] > self._counted_on(name):
                known = self._acknowledged_on[name]
                return f"{known} alerts were acknowledged on {name}, {self._counted_on(name)} are counted there"
        return ""

    def _counted_on(self, name: str) -> int:
        return self._kept.get(name, 0) + self._deleted[name]


def _uid(obj: Any) -> str:
    return str(obj["metadata"]["uid"])


def deduplication(obj: Any) -> Any:
    """Return `status.deduplication`, or None."""
    return ((obj or {}).get("status") or {}).get("deduplication")


def occurrences(obj: Any) -> int:
    """Return what an object counts: without status.deduplication the one alert that created it."""
    if obj is None:
        return 0
    return int((deduplication(obj) or {}).get("occurrenceCount", 1))

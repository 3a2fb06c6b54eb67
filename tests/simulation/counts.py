"""None lost: what was acknowledged is counted, and nothing is counted that was not sent."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.etcd import Commit

_Key = tuple[str, str]  # fingerprint and name: two fingerprints may have a name one after the other


class Counts:
    """acknowledged <= counted <= delivered + allowed, for each fingerprint; the first for each RR too.

    `delivered` are the alerts in all webhooks that reached a gateway, retries included. `allowed` are those
    that a gateway may count twice: it wrote a count, the answer was lost, and somebody else wrote over it or
    deleted the RR, so that nobody can tell any more whether the first count was there; or the count came
    when its RR held the problem no longer.
    """

    def __init__(self) -> None:
        self.delivered: Counter[str] = Counter()
        self.acknowledged: Counter[str] = Counter()
        self._acknowledged_on: Counter[_Key] = Counter()
        self._allowed: Counter[str] = Counter()
        self._kept: dict[_Key, int] = {}
        self._deleted: Counter[_Key] = Counter()
        self.met: Counter[str] = Counter()
        """How often an answer was lost, and what became of that."""
        self._requests: dict[str, dict[_Key, None]] = {}
        self._written: dict[_Key, Any] = {}
        self._uids: dict[_Key, str] = {}
        self._unanswered: dict[tuple[str, str], tuple[str, int, Any]] = {}

    def on_commit(self, commit: Commit, *, ours: bool) -> None:
        """Note what an RR counts from now on."""
        fingerprint = (commit.after or commit.before or {})["spec"]["signalFingerprint"]
        key = (fingerprint, commit.name)
        self._requests.setdefault(fingerprint, {})[key] = None
        before, after = occurrences(commit.before), occurrences(commit.after)
        if commit.after is None:
            self._deleted[key] += before
            del self._kept[key], self._written[key], self._uids[key]
            return
        if ours:
            self._allow(commit.actor, fingerprint)
            if commit.verb == "CREATE":
                self._unanswered[commit.actor, fingerprint] = (commit.name, 1, _uid(commit.after))
            else:
                self._unanswered[commit.actor, fingerprint] = (commit.name, after - before, deduplication(commit.after))
        else:
            self._allowed[fingerprint] += after - before
        self._kept[key] = after
        self._written[key] = deduplication(commit.after)
        self._uids[key] = _uid(commit.after)

    def _allow(self, actor: str, fingerprint: str) -> None:
        """Before a gateway counts: if its last count is written over, it cannot know whether that was stored."""
        name, lost, written = self._unanswered.pop((actor, fingerprint), ("", 0, None))
        key = (fingerprint, name)
        if name and written == self._uids.get(key):
            self.met["own creation known by its attempt"] += 1  # whatever others have written since
        elif name and written != self._written.get(key):
            self.met["count in doubt, added once more"] += 1
            self._allowed[fingerprint] += lost

    def allow(self, fingerprint: str, count: int) -> None:
        """Note counts that stand, and must be made once more on another RR."""
        self._allowed[fingerprint] += count

    def on_answered(self, actor: str, name: str) -> None:
        """Note that a gateway knows of its last write to an RR."""
        for key, (counted_on, _, _) in list(self._unanswered.items()):
            if key[0] == actor and counted_on == name:
                del self._unanswered[key]

    def on_read(self, actor: str, obj: Any) -> None:
        """Note what a gateway has just read: its own mark tells it that its last count is stored."""
        fingerprint, name = obj["spec"]["signalFingerprint"], obj["metadata"]["name"]
        counted_on, _, written = self._unanswered.get((actor, fingerprint), ("", 0, None))
        if counted_on == name and written == deduplication(obj):
            self.met["own count known by its mark"] += 1
            del self._unanswered[actor, fingerprint]

    def acknowledge(self, fingerprint: str, name: str) -> None:
        """Note that a sender was told that one alert is stored on an RR."""
        self.acknowledged[fingerprint] += 1
        self._acknowledged_on[fingerprint, name] += 1

    def counted(self, fingerprint: str) -> int:
        """Return the occurrences on all RRs that a fingerprint ever had."""
        return sum(self._counted_on(key) for key in self._requests.get(fingerprint, ()))

    def breach(self, fingerprint: str) -> str:
        """Return what is wrong, or nothing."""
        counted, most = self.counted(fingerprint), self.delivered[fingerprint] + self._allowed[fingerprint]
        if self.acknowledged[fingerprint] > counted:
            return f"{self.acknowledged[fingerprint]} alerts were acknowledged, {counted} are counted"
        if counted > most:
            return f"{counted} alerts are counted, {most} were sent"
        for key in self._requests.get(fingerprint, ()):
            known, there = self._acknowledged_on[key], self._counted_on(key)
            if known > there:
                return f"{known} alerts were acknowledged on {key[1]}, {there} are counted there"
        return ""

    def _counted_on(self, key: _Key) -> int:
        return self._kept.get(key, 0) + self._deleted[key]


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

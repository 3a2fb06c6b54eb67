"""The rules of the lock: who may write, take over and delete a Lease, and what may be done under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.protocol.lease import lease_name
from core.protocol.lock import LOCK_DURATION_SECONDS

if TYPE_CHECKING:
    from tests.simulation.etcd import Commit

RR = "gateway.kubernaut.ai/remediation-request"
STATE = "gateway.kubernaut.ai/lock"

LAG_SECONDS = 60.0
"""The oldest view that is created upon, and the most that a watch cache trails."""

LATE_SECONDS = 3600.0

CLOCKS_DIFFER = 0.5
"""Seconds by which the clocks of the API servers may differ, which is more than they do here."""


@dataclass(slots=True)
class Grant:
    """A Lease as one gateway wrote it; `state` is what it said of it, `robbed` where somebody else's hand took it
    away."""

    holder: str
    identity: str
    state: str
    uid: str
    at: float
    robbed: bool = False


class LeaseRules:
    """Follows each Lease; every method returns what is wrong, or nothing."""

    def __init__(self) -> None:
        self.clocks_jumped = False
        """Whether an API server's clock has ever jumped: then nobody can tell the age of a Lease."""
        self.done_names: set[str] = set()
        """RRs whose Lease was marked done."""
        self._current: dict[str, Grant] = {}
        self._last: dict[tuple[str, str], Grant] = {}

    def on_commit(self, commit: Commit, *, ours: bool) -> str:
        """Judge one write to a Lease."""
        standing = self._current.get(commit.name)
        breach = self._judged(commit, standing) if ours else ""
        if not ours and standing:
            standing.robbed = True
        if commit.after is None:
            self._current.pop(commit.name, None)
            return breach
        identity = commit.after["spec"].get("holderIdentity", "")
        said, _, by = commit.after["metadata"].get("annotations", {}).get(STATE, "").partition(" ")
        state = said if by == identity else ""
        if state == "done":
            self.done_names.add(commit.after["metadata"]["annotations"][RR])
        if standing and ours and identity == standing.identity and commit.actor != standing.holder:
            return breach  # stamped anew, for the one who has it
        grant = Grant(commit.actor, identity, state, commit.after["metadata"]["uid"], commit.at)
        self._current[commit.name] = grant
        self._last[commit.actor, commit.name] = grant
        return breach

    def _judged(self, commit: Commit, standing: Grant | None) -> str:
        if standing is None:
            return ""
        age = commit.at - standing.at
        if commit.verb == "DELETE":
            if standing.state == "done" and age < LAG_SECONDS:
                return f"{commit.actor} deleted a Lease that was done for {age:.1f} s only"
            if standing.state == "held" and standing.holder != commit.actor and age < LATE_SECONDS:
                return f"{commit.actor} deleted the Lease that {standing.holder} holds"
            return ""
        stamped = commit.after is not None and commit.after["spec"].get("holderIdentity", "") == standing.identity
        free = standing.state in ("done", "abandoned") or standing.holder == commit.actor or stamped
        if not free and not self.clocks_jumped and age < LOCK_DURATION_SECONDS - CLOCKS_DIFFER:
            return f"{commit.actor} took the Lease of {standing.holder} when it was {age:.1f} s old"
        return ""

    def may_delete_by_hand(self, fingerprint: str, now: float) -> bool:
        """Whether a hand may delete this Lease: it is done for so long that every view shows its RR."""
        standing = self._current.get(lease_name(fingerprint))
        return bool(standing and standing.state == "done" and now - standing.at > LAG_SECONDS)

    def may_create(self, actor: str, fingerprint: str, now: float) -> str:
        """Judge a gateway that sends the CREATE of an RR: under its Lease, or after it has run out."""
        name = lease_name(fingerprint)
        standing, own = self._current.get(name), self._last.get((actor, name))
        if standing and standing.holder == actor and standing.state == "held":
            return ""
        if own and (own.robbed or now - own.at >= LOCK_DURATION_SECONDS - CLOCKS_DIFFER):
            return ""
        if own and self.clocks_jumped:
            return ""  # taken over although it had not run out: under the same name, so one of the two is refused
        return f"{actor} creates an RR, and holds no Lease: {standing}"

    def holds(self, identity: str, fingerprint: str) -> bool:
        """Whether a holder has the Lease as it stands, and has neither finished nor given up."""
        standing = self._current.get(lease_name(fingerprint))
        return standing is not None and (standing.identity, standing.state) == (identity, "held")

    def robbed(self, actor: str, fingerprint: str) -> bool:
        """Whether somebody else's hand took the Lease from under a gateway."""
        own = self._last.get((actor, lease_name(fingerprint)))
        return own is not None and own.robbed

    def held_by(self, fingerprint: str) -> str:
        """Return who wrote the Lease as it stands, or nothing."""
        standing = self._current.get(lease_name(fingerprint))
        return standing.holder if standing else ""

    def state_of(self, fingerprint: str) -> str:
        """Return what its holder said of the Lease as it stands, or nothing."""
        standing = self._current.get(lease_name(fingerprint))
        return standing.state if standing else ""

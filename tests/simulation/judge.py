"""The promises, checked after every commit and every answer. The first that is broken stops the run."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from core.protocol.remediation_request import ATTEMPT_ANNOTATION
from tests.simulation.counts import Counts, deduplication, occurrences
from tests.simulation.leases import LeaseRules
from tests.simulation.machine import START
from tests.simulation.objects import content
from tests.simulation.phases import active, holds, phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from core.answers import Answer
    from core.kube.transport import ApiRequest
    from tests.simulation.etcd import Commit, Etcd
    from tests.simulation.trace import Trace

GRACE_SECONDS = 0.25
_STORED = ("created", "deduplicated")
_CODES = (200, 201, 202, 400, 503)


class Judge:
    """Knows the whole truth: what is in etcd, what was sent, what was promised."""

    def __init__(
        self,
        *,
        etcd: Etcd,
        trace: Trace,
        foreign: bool,
        cooldown: float,
        fingerprints: Sequence[str],
        now: Callable[[], float],
        stop: Callable[[], None],
    ):
        self.violation = ""
        self.counts = Counts()
        self.leases = LeaseRules()
        self._etcd = etcd
        self._trace = trace
        self._foreign = foreign
        self._cooldown = cooldown
        self._fingerprints = fingerprints
        self._now = now
        self._stop = stop
        self._busy: Counter[tuple[str, str]] = Counter()
        self._outlaws: set[str] = set()
        self._late: set[str] = set()
        self._late_counts: set[tuple[str, int]] = set()
        self.revived: set[str] = set()
        """RRs that somebody put to work again, or made hold again, after they had ended."""
        self._used: dict[str, str] = {}
        etcd.observers.append(self.on_commit)

    def fail(self, promise: str, what: str) -> None:
        """Note the first broken promise and stop the run."""
        if not self.violation:
            self.violation = f"{promise}: {what}"
            self._trace.note(self._now(), "judge", self.violation)
            self._stop()

    def on_commit(self, commit: Commit) -> None:
        """Check what the API server has just stored."""
        ours = is_ours(commit.actor)
        self._trace.note(commit.at, commit.actor, _described(commit))
        if commit.plural == "leases":
            breach = self.leases.on_commit(commit, ours=ours)
            if breach:
                self.fail("lock", breach)
            self._trace.state(f"Lease {commit.verb}")
            return
        self.counts.on_commit(commit, ours=ours)
        if ours:
            self._check_own_write(commit)
            if occurrences(commit.after) - occurrences(commit.before) > 1:
                self._trace.state("several alerts in one count")
        self._check_one(commit, ours=ours)
        if ours:
            self._check_counts(fingerprint_of(commit.after or commit.before))

    def _check_own_write(self, commit: Commit) -> None:
        if commit.verb == "CREATE":
            return
        if commit.verb == "DELETE":
            if self.holds(commit.before, 2.0):
                self.fail("none lost", f"{commit.actor} pruned {commit.name}, which holds its problem")
            return
        if commit.verb != "PATCH":
            self.fail("others' fields", f"{commit.actor} made a {commit.verb} of {commit.name}")
            return
        if not self.holds(commit.before, -self._now()):  # never after its end: a suspended machine may be late at will
            self.fail("none lost", f"{commit.actor} counts on {commit.name}, which is {phase(commit.before)}")
        elif not active(commit.before):
            self._note_on_ended(commit)
        self._check_told(commit)
        if _without_our_fields(commit.before) != _without_our_fields(commit.after):
            self.fail("others' fields", f"{commit.actor} changed more of {commit.name} than its count")

    def _check_told(self, commit: Commit) -> None:
        if is_resolved(commit.after) and not is_resolved(commit.before):
            self._trace.state("all alerts of an RR are resolved")
        elif is_resolved(commit.before) and not is_resolved(commit.after):
            self._trace.state("an alert of a resolved RR fires again")
        if is_resolved(commit.after) and deduplication(commit.after).get("firing") != []:
            self.fail("told", f"{commit.actor} wrote that all alerts of {commit.name} are resolved, and one fires")

    def _note_on_ended(self, commit: Commit) -> None:
        """Note a count on an RR that holds for a time only.

        The gateway judges it by the Date of the answer, and counts once more elsewhere where it is over by then. One
        that came too late breaks nothing as long as nobody is told that it is stored.
        """
        before, after = occurrences(commit.before), occurrences(commit.after)
        self.counts.allow(fingerprint_of(commit.before), after - before)
        if not self.holds(commit.before, -2.0):
            self._late_counts.update((commit.name, number) for number in range(before + 1, after + 1))
            self._trace.state("a count that came too late")

    def _check_one(self, commit: Commit, *, ours: bool) -> None:
        fingerprint = fingerprint_of(commit.after or commit.before)
        if commit.verb == "CREATE" and not ours and self.leases.held_by(fingerprint) != commit.actor:
            self._outlaws.add(commit.name)
        held, now = commit.before is None or self.holds(commit.before), commit.after
        if not held and now and self.holds(now):
            self.revived.add(commit.name)
        if commit.verb == "CREATE" and ours:
            self._check_name(commit, fingerprint)
        standing = [
            obj["metadata"]["name"]
            for obj in self._etcd.objects("remediationrequests")
            if fingerprint_of(obj) == fingerprint and self.holds(obj, 2.0)
        ]
        if len(standing) < 2:
            return
        if self.revived.intersection(standing):
            self._trace.state("two hold because an ended one was put to work again")
            return
        if self._late.intersection(standing):
            self._trace.state("two active by a holder that came late")
            return
        self._trace.state("two active by the foreign gateway's doing")
        excused = self._foreign and (
            not (ours and commit.verb == "CREATE")
            or self.leases.robbed(commit.actor, fingerprint)
            or self._outlaws.intersection(standing)
        )
        if not excused:
            self.fail("one", f"{len(standing)} RRs are active: {', '.join(standing)}")

    def _check_name(self, commit: Commit, fingerprint: str) -> None:
        if commit.name in self._used and commit.name not in self.leases.done_names:
            # Nobody could say that it had been used: its creator died, or lost its answers, and never could.
            self._trace.state("a name used twice: its Lease was never marked done")
        elif commit.name in self._used and not self.leases.holds(attempt_of(commit.after), fingerprint):
            # Its holder stalled past its Lease, or the CREATE was on its way for so long, and the RR that another
            # made of this name has come and gone (docs/protocol.md, what is left).
            self._trace.state("a name used twice by a holder that came late")
            self._late.add(commit.name)
        elif commit.name in self._used:
            self.fail("a name once", f"{commit.name} was used before, by {self._used[commit.name]}")
        self._used[commit.name] = commit.actor

    def holds(self, obj: Any, ahead: float = 0.0) -> bool:
        """Whether an RR's object holds its problem so many seconds from now."""
        return holds(obj, self._wall(ahead), cooldown=self._cooldown)

    def _wall(self, ahead: float = 0.0) -> datetime:
        return START + timedelta(seconds=self._now() + ahead)

    def _check_counts(self, fingerprint: str) -> None:
        breach = self.counts.breach(fingerprint)
        if breach:
            self.fail("none lost", f"{breach} (fingerprint {fingerprint[:12]})")

    # What gateways do

    def on_send(self, actor: str, request: ApiRequest) -> None:
        """Check a call at the moment a gateway makes it."""
        if not _in_a_round(request):
            return
        key = (actor, _subject(request))
        self._busy[key] += 1
        if self._busy[key] > 1 and not self._shared_prefix(key[1]):
            self.fail("rounds", f"{actor} makes two calls for {key[1]} at once: its signals did not join")
        if request.method == "POST":
            body = from_json(request.body or b"")
            breach = self.leases.may_create(actor, fingerprint_of(body), self._now())
            if breach:
                self.fail("lock", breach)

    def on_returned(self, actor: str, request: ApiRequest) -> None:
        """Note that a gateway waits for a call no longer."""
        if _in_a_round(request):
            self._busy[actor, _subject(request)] -= 1

    def on_answered(self, actor: str, request: ApiRequest, body: bytes) -> None:
        """Note that a gateway was told that its call succeeded."""
        if "remediationrequests" not in request.path:
            return
        if request.method == "GET" and "/remediationrequests/" in request.path:
            self.counts.on_read(actor, from_json(body))
        if request.method == "POST":
            self.counts.on_answered(actor, from_json(request.body or b"")["metadata"]["name"])
        elif request.method == "PATCH":
            self.counts.on_answered(actor, request.path.split("/")[-2])

    def _shared_prefix(self, subject: str) -> bool:
        return sum(fingerprint.startswith(subject) for fingerprint in self._fingerprints) > 1

    # What senders see

    def on_delivered(self, fingerprints: Sequence[str]) -> None:
        """Note the alerts of a webhook that a gateway begins to work on; an empty text asks for nothing."""
        for fingerprint in fingerprints:
            if fingerprint:
                self.counts.delivered[fingerprint] += 1

    def on_given(self, who: str, fingerprints: Sequence[str], given: Answer, *, seconds: float, limit: float) -> None:
        """Check a gateway's answer at the moment it is given."""
        self._trace.state(f"answer {given.status}")
        if seconds > limit + GRACE_SECONDS:
            self.fail("in time", f"{who} answered after {seconds:.2f} s")
        if given.status not in _CODES:
            self.fail("always retryable", f"{who} answered {given.status}")
        if given.status == 503 and "Retry-After" not in given.headers:
            self.fail("always retryable", f"{who} answered 503 without Retry-After")
        if given.status == 400 and any(fingerprints):
            self.fail("always retryable", f"{who} answered 400 to a webhook that has good alerts")
        if given.status < 300:
            self._acknowledge(who, fingerprints, from_json(given.body)["results"])

    def _acknowledge(self, who: str, fingerprints: Sequence[str], results: Sequence[Any]) -> None:
        for fingerprint, result in zip(fingerprints, results, strict=True):
            if not fingerprint:
                continue
            if result["status"] not in _STORED:
                self.fail("none lost", f"{who} acknowledged an alert that is {result['status']}")
                return
            name, count = result["remediationRequestName"], result["metadata"]["count"]
            if (name, count) in self._late_counts:
                self.fail("none lost", f"{who} acknowledged an alert as number {count} on {name}, which was over")
                return
            self.counts.acknowledge(fingerprint, name)
            self._trace.state(f"alert {result['status']}")
            self._check_counts(fingerprint)


def is_ours(actor: str) -> bool:
    """Whether an actor is one of our gateways."""
    return actor.startswith("sluice")


def is_resolved(obj: Any) -> bool:
    """Whether an RR says that all its alerts are resolved."""
    conditions = (obj.get("status") or {}).get("conditions", [])
    return any(each["type"] == "SignalResolved" and each["status"] == "True" for each in conditions)


def fingerprint_of(obj: Any) -> str:
    """Return the fingerprint of an RR."""
    return str(obj["spec"]["signalFingerprint"])


def attempt_of(obj: Any) -> str:
    """Return the attempt that created an RR, which is the holder it had the Lease as; or nothing."""
    return str(obj["metadata"].get("annotations", {}).get(ATTEMPT_ANNOTATION, ""))


def _in_a_round(request: ApiRequest) -> bool:
    """Whether a call is made for one fingerprint: not what pruning does."""
    all_of_them = request.path.endswith("/remediationrequests") and "fieldSelector" not in request.query
    pruning = request.method == "DELETE" or all_of_them
    return "remediationrequests" in request.path and not (pruning and request.method != "POST")


def _subject(request: ApiRequest) -> str:
    """The twelve characters of the fingerprint that names and selectors share."""
    if request.method == "POST":
        return fingerprint_of(from_json(request.body or b""))[:12]
    selector = request.query.get("fieldSelector", "")
    return selector.partition("=")[2][:12] or request.path.partition("/remediationrequests/rr-")[2][:12]


def _without_our_fields(obj: Any) -> Any:
    status = {key: value for key, value in (obj.get("status") or {}).items() if key != "deduplication"}
    others = [each for each in status.pop("conditions", []) if each["type"] != "SignalResolved"]
    return content(obj) | {"status": status, "conditions": others}


def _described(commit: Commit) -> str:
    after = commit.after or {}
    if commit.plural == "leases":
        holder = after.get("spec", {}).get("holderIdentity", "")
        return f"{commit.verb} lease {commit.name} {holder[:8]}".rstrip()
    parts = [commit.verb, commit.name]
    if after:
        counted = (deduplication(after) or {}).get("occurrenceCount", "-")
        parts += [f"phase={phase(after) or '-'}", f"count={counted}"]
    if commit.verb == "CREATE":
        parts.append(f"attempt={attempt_of(after)[:8] or '-'}")
    return " ".join(parts)

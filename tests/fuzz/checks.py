"""What every answer must be, whatever was sent."""

from __future__ import annotations

import builtins
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from core import errors
from core.answers import problem_type
from core.kube import errors as kube_errors
from core.results import Status
from tests.fuzz.served import DEADLINE

if TYPE_CHECKING:
    from tests.fuzz.served import Outcome

DOCUMENTED = {200, 201, 202, 400, 401, 403, 404, 405, 413, 415, 503}
EVENT_STATUSES = {200, 201, 202, 400, 415, 503}
_GRACE = 1.5  # the lock's release has a moment of its own, see RELEASE_GRACE_SECONDS
_CLASSES = [
    name
    for module in (builtins, errors, kube_errors)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, BaseException)
]
_LEAKS = re.compile(
    rf"Traceback \(most|File \"[^\"]*\", line \d|\.py\b|\b({'|'.join(sorted(_CLASSES))})\b|<class '|object at 0x"
)


def check_http(outcome: Outcome, *, sent: bytes = b"") -> Any:
    """Check an answer of an HTTP function; return its decoded body."""
    answer = outcome.answer
    assert answer.status in DOCUMENTED, answer
    assert outcome.seconds <= DEADLINE + _GRACE, outcome
    body = json.loads(answer.body, parse_constant=_no_json)
    if answer.status < 300:
        assert answer.headers["content-type"] == "application/json"
    else:
        _check_problem(outcome, body)
    _check_retry_after(outcome)
    _check_leaks(answer.body.decode(), sent)
    _check_results(body)
    _check_stored(outcome, body["results"])
    return body


def check_event(outcome: Outcome, *, sent: bytes = b"") -> None:
    """Check an answer of a CloudEvents function."""
    answer = outcome.answer
    assert answer.status in EVENT_STATUSES, answer
    assert outcome.seconds <= DEADLINE + _GRACE, outcome
    assert not [name for name in answer.headers if name.lower().startswith("ce-")]
    if answer.status < 300:
        # A Broker takes any other body for a broken reply.
        assert (answer.body, answer.headers["content-length"]) == (b"", "0")
        assert "content-type" not in answer.headers
    else:
        _check_problem(outcome, json.loads(answer.body, parse_constant=_no_json))
    _check_retry_after(outcome)
    _check_leaks(answer.body.decode(), sent)


def _check_problem(outcome: Outcome, body: Any) -> None:
    answer = outcome.answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["type"] == problem_type(answer.status)
    assert body["status"] == answer.status
    assert body["title"]
    assert body["detail"]
    assert "unforeseen" not in body["detail"], "a bug of ours"


def _check_retry_after(outcome: Outcome) -> None:
    headers = outcome.answer.headers
    if outcome.answer.status == 503:
        assert 1 <= int(headers["Retry-After"]) <= 60
        assert b"unforeseen" not in outcome.answer.body, "a bug of ours"
    else:
        assert "Retry-After" not in headers
    assert "X-Google-Status" not in headers


def _check_leaks(text: str, sent: bytes) -> None:
    for leak in _LEAKS.finditer(text):
        assert leak[0].encode() in sent, f"{leak[0]!r} leaks in {text}"


def _check_results(body: Any) -> None:
    results = body["results"]
    counts = Counter(line["status"] for line in results)
    assert counts.keys() <= set(Status)
    assert body["summary"]["received"] == len(results)
    assert {status: body["summary"][status] for status in Status} == {status: counts[status] for status in Status}
    for line in results:
        kept = line["status"] in ("created", "deduplicated")
        assert kept == ("remediationRequestName" in line) == ("metadata" in line)
        assert ("error" in line) == (line["status"] in ("invalid", "failed", "rejected"))


def _check_stored(outcome: Outcome, results: Any) -> None:
    """A result that says stored is stored, and counted; no fingerprint has two RRs."""
    acknowledged = Counter(line["fingerprint"] for line in results if "remediationRequestName" in line)
    by_fingerprint = {rr["spec"]["signalFingerprint"]: rr for rr in outcome.stored}
    assert len(by_fingerprint) == len(outcome.stored), "two RRs of one fingerprint"
    for line in results:
        if "remediationRequestName" in line:
            assert by_fingerprint[line["fingerprint"]]["metadata"]["name"] == line["remediationRequestName"]
            assert line["metadata"]["remediationRequestRef"] == line["remediationRequestName"]
    for fingerprint, count in acknowledged.items():
        status = by_fingerprint[fingerprint].get("status", {}).get("deduplication", {"occurrenceCount": 1})
        assert status["occurrenceCount"] >= count


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")

"""Every row of the table: what became of the alerts, and the code that says so to all callers."""

import json
from itertools import combinations_with_replacement
from typing import Any

import pytest

from core.answers import JSON, PROBLEM, SENTENCES_OF_A_KIND, Answer, answer, problem
from core.results import DeduplicationMetadata, SignalResult, Status

METADATA = DeduplicationMetadata(fingerprint="f1", count=2, remediationRequestRef="rr-1")
CREATED = SignalResult(status=Status.CREATED, fingerprint="f1", rr_name="rr-1", rr_namespace="ops", metadata=METADATA)
DUPLICATE = SignalResult(
    status=Status.DEDUPLICATED, fingerprint="f1", rr_name="rr-1", rr_namespace="ops", metadata=METADATA
)
IGNORED = SignalResult(status=Status.IGNORED, reason="resolved")
NO_TARGET = SignalResult(status=Status.IGNORED, reason="no_target", error="no label names a target")
INVALID = SignalResult(status=Status.INVALID, reason="malformed_alert", error="alerts[0].labels is 7")
FAILED = SignalResult(status=Status.FAILED, fingerprint="f1", error="etcd is down", retry_after=2.0)

NOTHING = dict.fromkeys(["received", *Status], 0)


def decoded(given: Answer) -> Any:
    return json.loads(given.body)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([CREATED], 201),
        ([CREATED, DUPLICATE, IGNORED, INVALID], 201),
        ([DUPLICATE], 202),
        ([DUPLICATE, IGNORED], 202),
        ([DUPLICATE, INVALID], 202),
        ([], 200),
        ([IGNORED], 200),
        ([IGNORED, INVALID], 200),
        ([NO_TARGET], 200),
        ([CREATED, NO_TARGET], 201),
        ([INVALID], 400),
        ([INVALID, INVALID], 400),
        ([FAILED], 503),
        ([CREATED, DUPLICATE, IGNORED, INVALID, FAILED], 503),
        ([INVALID, FAILED], 503),
    ],
)
def test_outcome_has_its_code(results, status):
    assert answer(results).status == status


@pytest.mark.parametrize("order", [1, -1])
def test_order_of_the_alerts_does_not_change_the_code(order):
    for results in combinations_with_replacement([CREATED, DUPLICATE, IGNORED, INVALID, FAILED], 3):
        assert answer(results[::order]).status == answer(results).status


def test_success_acknowledges_only_what_is_stored_or_deliberately_dropped():
    everything = [CREATED, DUPLICATE, IGNORED, INVALID, FAILED]
    for results in combinations_with_replacement(everything, 3):
        assert (answer(results).status < 300) == (FAILED not in results and results != (INVALID,) * 3)


def test_success_lists_one_result_for_each_alert_in_order():
    given = answer([INVALID, CREATED, IGNORED, DUPLICATE], truncated=3)
    assert (given.media_type, given.headers) == (JSON, {})
    assert decoded(given) == {
        "summary": NOTHING
        | {"received": 4, "created": 1, "deduplicated": 1, "ignored": 1, "invalid": 1, "failed": 0, "truncated": 3},
        "results": [
            {"status": "invalid", "reason": "malformed_alert", "error": "alerts[0].labels is 7"},
            {
                "status": "created",
                "fingerprint": "f1",
                "remediationRequestName": "rr-1",
                "remediationRequestNamespace": "ops",
                "duplicate": False,
                "metadata": {"fingerprint": "f1", "count": 2, "remediationRequestRef": "rr-1"},
            },
            {"status": "ignored", "reason": "resolved"},
            {
                "status": "deduplicated",
                "fingerprint": "f1",
                "remediationRequestName": "rr-1",
                "remediationRequestNamespace": "ops",
                "duplicate": True,
                "metadata": {"fingerprint": "f1", "count": 2, "remediationRequestRef": "rr-1"},
            },
        ],
    }


@pytest.mark.parametrize(("result", "status"), [(CREATED, "created"), (DUPLICATE, "duplicate"), (IGNORED, "ignored")])
def test_result_of_one_alert_stands_at_the_top_too_as_kubernauts_senders_expect(result, status):
    body = decoded(answer([result]))
    (line,) = body["results"]
    assert line["status"] == result.status
    assert body == line | {"status": status, "results": [line], "summary": body["summary"]}


@pytest.mark.parametrize("results", [[], [CREATED, DUPLICATE]])
def test_none_and_several_alerts_have_no_result_at_the_top(results):
    assert decoded(answer(results)).keys() == {"summary", "results"}


def test_summary_tells_of_truncated_alerts_only_where_there_are_some():
    assert "truncated" not in decoded(answer([CREATED]))["summary"]


def test_failure_is_a_problem_with_the_results_beside_it():
    given = answer([CREATED, FAILED])
    assert given.media_type == PROBLEM == "application/problem+json"
    assert given.headers == {"Retry-After": "2"}
    body = decoded(given)
    assert (body["type"], body["title"], body["status"]) == (
        "https://kubernaut.ai/problems/service-unavailable",
        "Service Unavailable",
        503,
    )
    assert body["detail"] == ("1 of 2 alerts could not be stored now; send the same request again: etcd is down")
    assert body["summary"]["failed"] == body["summary"]["created"] == 1
    assert [line["status"] for line in body["results"]] == ["created", "failed"]
    assert body["results"][1] == {"status": "failed", "fingerprint": "f1", "error": "etcd is down"}


def test_longest_wait_of_all_alerts_is_asked_for():
    later = SignalResult(status=Status.FAILED, error="throttled", retry_after=7.2)
    assert answer([FAILED, later, FAILED]).headers == {"Retry-After": "8"}


def test_poison_says_why_and_never_asks_to_come_again():
    given = answer([INVALID, INVALID])
    assert (given.media_type, given.headers) == (PROBLEM, {})
    body = decoded(given)
    assert (body["title"], body["status"]) == ("Bad Request", 400)
    assert body["detail"] == "no alert in this body can ever be stored: alerts[0].labels is 7"
    assert len(body["results"]) == 2


@pytest.mark.parametrize(
    ("seconds", "header"), [(0, "1"), (0.2, "1"), (1, "1"), (1.01, "2"), (29.5, "30"), (60, "60"), (3600, "60")]
)
def test_wait_is_given_in_whole_seconds_between_one_and_a_minute(seconds, header):
    assert problem(503, "later", retry_after=seconds).headers == {"Retry-After": header}


def test_problem_has_an_empty_summary_where_no_alert_was_looked_at():
    given = problem(413, "the body is too large", headers={"Allow": "POST"})
    assert (given.status, given.media_type, given.headers) == (413, PROBLEM, {"Allow": "POST"})
    body = decoded(given)
    assert body["results"] == []
    assert body["summary"] == NOTHING
    assert (body["type"], body["status"], body["detail"]) == (
        "https://kubernaut.ai/problems/payload-too-large",
        413,
        "the body is too large",
    )


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 503])
def test_title_of_a_problem_is_the_codes_own_phrase(status):
    body = decoded(problem(status, "why"))
    assert body["status"] == status
    assert body["title"]


def test_detail_with_any_text_is_valid_json():
    detail = 'quote " backslash \\ newline \n nul \x00 emoji 😀'
    assert decoded(problem(400, detail))["detail"] == detail


def test_what_is_ignored_says_why_without_calling_it_an_error():
    (line,) = decoded(answer([NO_TARGET]))["results"]
    assert line == {"status": "ignored", "reason": "no_target", "detail": "no label names a target"}


@pytest.mark.parametrize("alike", [INVALID, NO_TARGET, FAILED])
def test_results_alike_say_why_in_words_a_few_times_only(alike):
    few, many = (len(answer([alike] * count).body) for count in (SENTENCES_OF_A_KIND, 10_000))
    lines = decoded(answer([alike] * 10_000))["results"]
    assert len(lines) == 10_000
    assert sum("error" in line or "detail" in line for line in lines) == SENTENCES_OF_A_KIND
    assert (many - few) / (10_000 - SENTENCES_OF_A_KIND) < 60, "bytes of a result that says only its reason"


def test_what_is_out_of_scope_has_the_command_that_takes_it_in():
    refused = SignalResult(
        status=Status.REJECTED, reason="out_of_scope", error="out of scope: why", remedy="kubectl label pod p k=v"
    )
    body = decoded(answer([refused]))
    assert body["rejection"] == {"reason": "unmanaged_resource", "action": "kubectl label pod p k=v"}
    assert body["results"][0]["rejection"] == body["rejection"]


def test_what_is_silenced_says_until_when():
    held = SignalResult(
        status=Status.REJECTED, reason="silenced", error="silenced", silenced_until="2026-01-02T03:04:05Z"
    )
    given = answer([held])
    assert given.status == 200
    assert decoded(given)["results"] == [
        {
            "status": "rejected",
            "silencedUntil": "2026-01-02T03:04:05Z",
            "reason": "silenced",
            "error": "silenced",
        }
    ]


def test_long_sentence_is_cut():
    long = SignalResult(status=Status.INVALID, error="x" * 1_000_000)
    assert len(answer([long, CREATED]).body) < 2000
    assert len(answer([long]).body) < 4000

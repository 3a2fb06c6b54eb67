"""The function `alertmanager`: whatever is sent, a documented code, in time, in JSON, one result per alert."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.errors import PayloadError
from core.signals.alertmanager import decode_alertmanager
from core.signals.signal import Ignored, Poison, fingerprint_of
from core.workloads.qualification import as_named
from tests.fuzz.checks import check_http
from tests.fuzz.corpus import entries
from tests.fuzz.effort import effort
from tests.fuzz.mutations import JSON, encoded, mutated_bytes, mutated_json
from tests.support.loop_clock import START

JSON_TYPE = {"Content-Type": "application/json"}
BODIES = [entry.body for entry in entries("alertmanager")]


def documents() -> list[Any]:
    """The corpus entries that are JSON."""
    found = []
    for body in BODIES:
        try:
            found.append(json.loads(body))
        except ValueError:
            continue
    return found


DOCUMENTS = st.sampled_from(documents())
HEADER_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "Content-Encoding", "Content-Length", "Authorization", "Host", "Traceparent",
         "X-Cloud-Trace-Context", "Function-Execution-Id", "X-Forwarded-For", "Expect", "Accept"]
    ),
    HEADER_TEXT
    | st.sampled_from(
        ["application/json; charset=utf-16", "application/vnd.x+json", "[", "[::1]:80", "a/healthz?", "9" * 30,
         "9" * 5000, "-1", "identity", "br", "Bearer ", "Bearer x", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"]
    ),
    max_size=4,
)  # fmt: skip


def check_webhook(served: Any, body: bytes) -> None:
    """Send `body`; each result must be what the decoder made of the alert in its place."""
    outcome = served.ask(body, JSON_TYPE)
    results = check_http(outcome, sent=body)["results"]
    try:
        batch = decode_alertmanager(body, received_time=START, signal_type="prometheus-alert")
    except PayloadError:
        assert (outcome.answer.status, results) == (400, [])
        return
    assert outcome.answer.status in (200, 201, 202, 400), "nothing fails here for a moment only"
    assert len(results) == len(batch.entries)
    for index, (entry, line) in enumerate(zip(batch.entries, results, strict=True)):
        if isinstance(entry, Ignored):
            assert line["status"] == "ignored"
        elif isinstance(entry, Poison):
            assert (line["status"], line["error"]) == ("invalid", entry.message)
            assert line["error"].startswith(f"alerts[{index}]")
        elif found := as_named(entry.candidates):
            assert line["status"] in ("created", "deduplicated"), line
            assert line["fingerprint"] == fingerprint_of(found.target, cluster=entry.cluster_id)
        else:
            assert (line["status"], line["reason"]) == ("ignored", "no_target")


@given(mutated_bytes(st.sampled_from(BODIES)))
@effort(110)
def test_webhook_with_mutated_bytes_is_answered(webhooks, body):
    check_webhook(webhooks, body)


@given(mutated_json(DOCUMENTS).map(encoded))
@effort(110)
def test_webhook_with_mutated_fields_is_answered(webhooks, body):
    check_webhook(webhooks, body)


@given(st.binary(max_size=200) | JSON.map(encoded))
@effort(25)
def test_any_body_is_answered(webhooks, body):
    check_webhook(webhooks, body)


@given(HEADERS, st.sampled_from(BODIES))
@effort(50)
def test_any_header_is_answered(webhooks, headers, body):
    check_http(webhooks.ask(body, headers), sent=body + "".join(headers.values()).encode("latin-1"))


@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    st.sampled_from(["/", "/api/v1/signals/prometheus", "//", "/%2e", "/?x"]) | st.text(max_size=20).map("/{}".format),
)
@effort(25)
def test_any_path_and_method_is_answered(webhooks, method, path):
    path = path.encode(errors="replace").decode()
    outcome = webhooks.ask(b"", JSON_TYPE, method=method, path=path)
    if outcome.answer.body == b"Not Found":  # functions-framework's own: two paths, and those with a line break
        assert outcome.answer.status == 404
        assert path in ("/robots.txt", "/favicon.ico") or "\n" in path
        return
    if method == "HEAD" and path in ("/healthz", "/readyz"):
        assert outcome.answer.status == 200
        return
    check_http(outcome, sent=path.encode())

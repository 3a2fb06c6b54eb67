"""The CloudEvents functions: whatever is sent, 2xx without a body, 400, 415 or 503, in time."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from core.triggers.dead_letter import from_object, to_request
from tests.fuzz.checks import check_event
from tests.fuzz.corpus import Entry, entries
from tests.fuzz.effort import effort
from tests.fuzz.mutations import JSON, encoded, mutated_bytes, mutated_json
from tests.support.pubsub_messages import envelope

if TYPE_CHECKING:
    from tests.fuzz.served import Outcome, Served

EVENTS = entries("kubernetes_event")
MESSAGES = entries("pubsub")
ODD_VALUES = st.sampled_from(["", " ", "x" * 5000, "\xff", "%00", "null", "1.0", "0.3", "2.0", "a/b"])


def is_json(entry: Entry) -> bool:
    """Whether the body can be mutated as a document."""
    try:
        json.loads(entry.body)
    except ValueError:
        return False
    return True


@st.composite
def mutated_events(draw: st.DrawFn, corpus: tuple[Entry, ...]) -> tuple[bytes, dict[str, str]]:
    """A body and its headers; either or both are mutated."""
    entry = draw(st.sampled_from(corpus))
    headers, body = dict(entry.headers), entry.body
    match draw(st.sampled_from(["bytes", "document", "headers"])):
        case "bytes":
            body = draw(mutated_bytes(st.just(body) | st.sampled_from([each.body for each in corpus])))
        case "document" if is_json(entry):
            body = encoded(draw(mutated_json(st.just(json.loads(body)))))
        case _:
            name = draw(st.sampled_from(sorted(headers)))
            del headers[name]
            if draw(st.booleans()):
                headers[name] = draw(
                    ODD_VALUES | st.sampled_from(sorted(each for e in corpus for each in e.headers.values()))
                )
    return body, headers


def contents() -> list[bytes]:
    """What the corpus's messages carry."""
    found = []
    for entry in MESSAGES:
        try:
            found.append(b64decode(json.loads(entry.body)["message"]["data"], validate=True))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def documents() -> list[Any]:
    """Those that are JSON."""
    found = []
    for content in contents():
        try:
            found.append(json.loads(content))
        except ValueError:
            continue
    return found


def ask(served: Served, body: bytes, headers: dict[str, str]) -> Outcome:
    """Send and check; nothing fails here for a moment only, so nothing is sent again."""
    outcome = served.ask(body, headers)
    check_event(outcome, sent=body + "".join(headers.values()).encode("latin-1"))
    assert outcome.answer.status != 503, outcome
    return outcome


@given(mutated_events(EVENTS))
@effort(110)
def test_mutated_kubernetes_event_is_answered(kubernetes_events, event):
    assert len(ask(kubernetes_events, *event).stored) <= 1


@given(JSON, st.sampled_from(EVENTS))
@effort(25)
def test_any_data_of_a_kubernetes_event_is_answered(kubernetes_events, data, entry):
    ask(kubernetes_events, encoded(data), dict(entry.headers))


@given(mutated_events(MESSAGES))
@effort(70)
def test_mutated_message_is_answered(messages, message):
    ask(messages, *message)


@given(mutated_bytes(st.sampled_from(contents())) | mutated_json(st.sampled_from(documents())).map(encoded))
@effort(110)
def test_message_with_mutated_content_is_acknowledged(messages, content):
    headers = dict(MESSAGES[0].headers)
    assert "ce-type" in headers
    body = encoded({"message": {"data": b64encode(content).decode(), "messageId": "1"}})
    assert ask(messages, body, headers).answer.status < 300


@given(JSON)
@effort(25)
def test_any_content_of_a_message_is_acknowledged(messages, content):
    assert ask(messages, encoded(envelope(encoded(content))), dict(MESSAGES[0].headers)).answer.status < 300


@given(mutated_events(EVENTS + MESSAGES))
@effort(70)
def test_mutated_dead_letter_is_kept_and_can_be_sent_again(undelivered, event):
    outcome = ask(undelivered, *event)
    assert len(outcome.stored) == (outcome.answer.status < 300)
    for obj in outcome.stored:
        kept = from_object(obj)
        headers, body = to_request(kept)
        (again,) = ask(undelivered, body, headers).stored
        sent = from_object(again)
        assert (dict(sent.attributes), _decoded(sent.data)) == (dict(kept.attributes), _decoded(kept.data))


@given(st.binary(max_size=2000), st.sampled_from(["", "text/xml", "application/json", "a/b; charset=utf-16"]))
@effort(25)
def test_dead_letter_of_any_bytes_is_kept_as_it_came(undelivered, data, content_type):
    headers = {"ce-specversion": "1.0", "ce-type": "t", "ce-source": "s", "ce-id": "1", "content-type": content_type}
    (obj,) = ask(undelivered, data, headers).stored
    assert from_object(obj).data == data


def _decoded(data: bytes) -> Any:
    """In structured mode JSON is written anew, and null is no data."""
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        return data
